"""How near an answer is to its reference."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

from farense_worker.protocol.messages.evaluation import Answer


def compare(text: str, reference: str) -> Answer:
    """Measure one answer. Exact: the same after stripping both, nothing else is forgiven."""
    return Answer(
        text=text,
        exact=text.strip() == reference.strip(),
        token_f1=token_f1(text, reference),
        chrf=_chrf().sentence_score(text, [reference]).score,
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


def corpus_chrf(texts: Sequence[str], references: Sequence[str]) -> float:
    """Give chrF2 over all answers at once, 0 to 100: the sum of their n-grams, not a mean."""
    return float(_chrf().corpus_score(list(texts), [list(references)]).score)


@functools.cache
def _chrf() -> Any:
    """chrF2: character n-grams up to 6, recall counts twice (Popović 2015)."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


def _words(text: str) -> list[str]:
    normal = unicodedata.normalize("NFC", text).casefold()
    return re.findall(r"\w+", normal)
