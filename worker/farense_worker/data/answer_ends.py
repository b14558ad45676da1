"""An answer has to end in a token at which generation stops, or the model never learns to stop.

Most chat templates write one. Some write none (GLM-4.5's kind, where the mark of the next question
is the end): where a row is over there is nothing to learn then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from farense_worker.data.conversation import Remark
from farense_worker.protocol.language import gettext as _


def missing(
    tokenizer: Any, tokens: Sequence[int], append: bool
) -> tuple[int | None, Remark | None]:
    """Look at the end of a row that ends in an answer.

    Gives the end that is to be appended to its tokens, and what is to be said; None and None where
    it has one, white space after it or not.
    """
    for token in reversed(tokens):
        if token in tokenizer.eos_token_ids:
            return None, None
        if str(tokenizer.decode([token])).strip():
            break
    eos = tokenizer.eos_token_id
    if eos is None or not append:
        why = _("the template writes no end after the answer: the model does not learn to stop")
        return None, Remark("endless", why)
    what = _("the template writes no end after the answer: {token} is appended as a label")
    return eos, Remark("end_appended", what.format(token=tokenizer.decode([eos])))
