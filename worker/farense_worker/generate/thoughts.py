"""What of an answer is said aloud: thoughts come before it, between marks of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def aloud(tokenizer: Any, answer: Sequence[int]) -> Sequence[int]:
    """Give the tokens of an answer that follow its thoughts; all of them where it has none.

    tokenizer: with mlx_lm's names for the marks. Told apart by tokens, as marks that are special
    tokens are in no text. Of a thought that does not end, only what stands before it is said.
    """
    if not tokenizer.think_start:
        return answer
    begin, end = (
        list(tokenizer.encode(mark, add_special_tokens=False))
        for mark in (tokenizer.think_start, tokenizer.think_end)
    )
    closed = _last(answer, end)
    said = answer[closed + len(end) :] if closed >= 0 else answer
    opened = _last(said, begin)
    return said[:opened] if opened >= 0 else said


def _last(tokens: Sequence[int], wanted: list[int]) -> int:
    """Give where a run of tokens stands last, -1 if nowhere."""
    places = range(len(tokens) - len(wanted), -1, -1)
    return next((at for at in places if list(tokens[at : at + len(wanted)]) == wanted), -1)
