"""How near an answer is to its reference."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

from farense_worker.protocol.messages.evaluation import Answer


def compare(text: str, reference: str, said: str | None = None) -> Answer:
    """Measure one answer. Exact: the same after stripping both, nothing else is forgiven.

    said: what of the text is measured, None for all. A letter and its accent are the same together
    or apart (NFC, NFD): many tokenizers put them together, so no model could answer otherwise.
    """
    said, reference = (
        unicodedata.normalize("NFC", each).strip()
        for each in (text if said is None else said, reference)
    )
    return Answer(
        text=text,
        exact=said == reference,
        token_f1=token_f1(said, reference),
        chrf=_chrf().sentence_score(said, [reference]).score,
    )


def token_f1(text: str, reference: str) -> float:
    """F1 over the words both have, 0 to 1; case and punctuation make no difference.

    As SQuAD's (Rajpurkar et al. 2016), but no articles are dropped: they are English there.
    """
    ours, theirs = _words(text), _words(reference)
    if not ours or not theirs:
        return float(ours == theirs)
    common = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * common / (len(ours) + len(theirs))


def corpus_chrf(pairs: Sequence[tuple[str, str]]) -> float:
    """Give chrF2 over all answers at once, 0 to 100: the sum of their n-grams, not a mean.

    pairs: an answer and its reference each.
    """
    ours, theirs = (
        [unicodedata.normalize("NFC", each) for each in side] for side in zip(*pairs, strict=True)
    )
    return float(_chrf().corpus_score(ours, [theirs]).score)


@functools.cache
def _chrf() -> Any:
    """chrF2: character n-grams up to 6, recall counts twice (Popović 2015)."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


def _words(text: str) -> list[str]:
    normal = unicodedata.normalize("NFC", text).casefold()
    return re.findall(r"\w+", normal)
