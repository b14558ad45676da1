"""A head of a model's own that its class leaves out, because its configuration ties the two.

Whoever trains head and embeddings apart and leaves `tie_word_embeddings` as it was saves such a
model: mlx_lm then computes with the embeddings in place of the head, and the answers are others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import mlx.nn as nn

from farense_worker.protocol import plain_file

_HEAD, _EMBEDDINGS = "lm_head.weight", "embed_tokens.weight"
_PIECE = 1 << 20  # bytes that are compared at once


class _Place(NamedTuple):
    """Where a tensor's numbers stand."""

    path: Path
    first: int
    size: int
    kind: str


def is_lost(folder: Path, config: Mapping[str, Any], model: nn.Module) -> bool:
    """Whether the files have a head that is not the embeddings, and the model loaded has none."""
    inner = config.get("text_config")
    tied = [each.get("tie_word_embeddings") for each in (config, inner) if isinstance(each, dict)]
    if True not in tied or any(name.endswith("lm_head") for name, _m in model.named_modules()):
        return False
    there = [place for path in sorted(folder.glob("model*.safetensors")) for place in _of(path)]
    heads = [place for name, place in there if name.endswith(_HEAD)]
    embeddings = [place for name, place in there if name.endswith(_EMBEDDINGS)]
    if len(heads) != 1 or len(embeddings) != 1:
        return False
    (head,), (table,) = heads, embeddings
    return head[2:] == table[2:] and not _equal(head, table)


def _of(path: Path) -> list[tuple[str, _Place]]:
    """Read the names and places in a safetensors file: a length, a table in JSON, the numbers."""
    with plain_file.reading(path) as file:
        length = int.from_bytes(file.read(8), "little")
        table = json.loads(file.read(length))
    table.pop("__metadata__", None)
    return [
        (name, _Place(path, 8 + length + first, last - first, about["dtype"]))
        for name, about in table.items()
        for first, last in (about["data_offsets"],)
    ]


def _equal(one: _Place, other: _Place) -> bool:
    with plain_file.reading(one.path) as a, plain_file.reading(other.path) as b:
        a.seek(one.first)
        b.seek(other.first)
        left = one.size
        while left > 0:
            piece = min(left, _PIECE)
            if a.read(piece) != b.read(piece):
                return False
            left -= piece
    return True
