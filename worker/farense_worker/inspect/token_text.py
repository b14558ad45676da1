"""Tokens as text again, run by run, with what each run is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from farense_worker.data.labels import Encoded
from farense_worker.protocol.messages.data_check import Piece

MOST_TOKENS = 1500


def pieces(tokenizer: Any, encoded: Encoded, max_seq_length: int) -> tuple[Piece, ...]:
    """Cut the tokens into runs of labels and others, and each special token by itself."""
    tokens = encoded.tokens[:MOST_TOKENS]
    special = set(tokenizer.all_special_ids) | {
        number for number, added in tokenizer.added_tokens_decoder.items() if added.special
    }
    labels = {at for first, end in encoded.spans for at in range(first, min(end, len(tokens)))}

    def kind(at: int) -> tuple[bool, bool, bool, int]:
        is_special = tokens[at] in special
        return at in labels, is_special, at >= max_seq_length, at if is_special else -1

    found = []
    for (label, is_special, cut, _), run in groupby(range(len(tokens)), kind):
        at = list(run)
        text = _text(tokenizer, tokens, at[0], at[-1] + 1)
        found.append(Piece(text, label and not cut, is_special, cut))
    return tuple(found)


def _text(tokenizer: Any, tokens: Sequence[int], start: int, end: int) -> str:
    """Decode some tokens as they read after the ones before them.

    Some tokenizers leave out a space at the beginning of what they decode, so the token before is
    decoded along.
    """
    before = tokens[max(0, start - 1) : start]
    head = tokenizer.decode(before, skip_special_tokens=False) if before else ""
    whole = tokenizer.decode([*before, *tokens[start:end]], skip_special_tokens=False)
    if whole.startswith(head):
        return str(whole[len(head) :])
    return str(tokenizer.decode(tokens[start:end], skip_special_tokens=False))
