"""Rows that are there more than once: the same but for white space and case, or nearly so.

Near: the share of five-character pieces that two rows have in common (Jaccard), as MinHash
estimates it from 120 permutations; rows are compared that agree in one of 20 bands of 6.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from farense_worker.protocol.language import gettext as _
from numpy.typing import NDArray

from farense_tui.dataset import extra
from farense_tui.dataset.pool import Pool

Pairs = NDArray[np.int64]
_BANDS, _ROWS = 20, 6
_PERMUTATIONS = _BANDS * _ROWS
_SEED = 42
_PIECE = 5  # characters
_BATCH = 4096  # rows
_MOST_PIECES = 20_000  # of a row: its beginning tells


def exact(fingerprints: NDArray[np.uint64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give for each row the one that it repeats, itself where it is the first in `order`; (n,)."""
    _values, first, group = np.unique(fingerprints[order], return_index=True, return_inverse=True)
    earlier = np.empty(len(order), np.int64)
    earlier[order] = order[first[group]]
    return earlier


def near(pool: Pool, threshold: float, folder: Path) -> Pairs:
    """Give pairs of rows that are alike at least by `threshold`; (pairs, 2), each pair once.

    Signatures lie in a file in `folder`, 480 bytes a row. Raises FarenseError without the extra.
    """
    minhash = extra.module("rensa", _("near-duplicates"))
    if len(pool) < 2:
        return np.empty((0, 2), np.int64)
    shape = (len(pool), _PERMUTATIONS)
    signatures = np.memmap(folder / "signatures", np.uint32, "w+", shape=shape)
    at = 0
    for hashes, ends in _pieces(pool.raws()):
        matrix = minhash.RMinHash.digest_matrix_from_flat_token_hashes(
            hashes, ends, _PERMUTATIONS, _SEED
        )
        rows = len(ends) - 1
        signatures[at : at + rows] = np.asarray(matrix.to_rows(), np.uint32)
        at += rows
    return _alike(signatures, threshold)


def _pieces(raws: Iterator[bytes]) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.uint64]]]:
    """Give hashes of the pieces of many rows, and where each row's begin and end."""
    hashes: list[NDArray[np.uint64]] = []
    for raw in raws:
        hashes.append(_hashes(_text(msgspec.json.decode(raw))))
        if len(hashes) == _BATCH:
            yield _joined(hashes)
            hashes = []
    if hashes:
        yield _joined(hashes)


def _joined(
    hashes: list[NDArray[np.uint64]],
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    ends = np.cumsum([0, *map(len, hashes)], dtype=np.uint64)
    return np.concatenate(hashes), ends


def _text(values: dict[str, object]) -> str:
    """What a row says, white space and case aside."""
    found: list[str] = []
    stack: list[object] = [values]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            stack += [value[key] for key in reversed(list(value)) if key != "role"]
        elif isinstance(value, list):
            stack += reversed(value)
    return " ".join(" ".join(found).split()).casefold()


def _hashes(text: str) -> NDArray[np.uint64]:
    """Hash each piece of five characters: their code points in one number, its bits mixed."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)[:_MOST_PIECES]
    points = points.astype(np.uint64)
    if len(points) < _PIECE:
        points = np.pad(points, (0, _PIECE - len(points)))
    mixed = np.zeros(len(points) - _PIECE + 1, np.uint64)
    for at in range(_PIECE):
        mixed = mixed * np.uint64(0x100000001B3) + points[at : at + len(mixed)]
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return mixed ^ (mixed >> np.uint64(32))


def _alike(signatures: NDArray[np.uint32], threshold: float) -> Pairs:
    found: list[Pairs] = []
    rows = np.arange(len(signatures))
    after = _keys(signatures, _BANDS - 1)
    for band in range(_BANDS):
        keys, before = _keys(signatures, band), after
        order = np.lexsort((before, keys))  # of a bucket, those side by side are the likeliest
        after = keys
        ordered = keys[order]
        begins = np.concatenate(([True], ordered[1:] != ordered[:-1]))
        first = order[np.maximum.accumulate(np.where(begins, rows, 0))]
        for other in (first, np.concatenate(([order[0]], order[:-1]))):
            inside = ~begins & (other != order)
            pairs = np.stack([order[inside], other[inside]], axis=1)
            found.append(_enough(signatures, pairs, threshold))
    pairs = np.sort(np.concatenate(found), axis=1)
    return np.unique(pairs, axis=0).astype(np.int64)


def _keys(signatures: NDArray[np.uint32], band: int) -> NDArray[np.uint64]:
    """Put a band of each signature into one number; (n,)."""
    keys = np.zeros(len(signatures), np.uint64)
    for column in range(band * _ROWS, (band + 1) * _ROWS):
        keys = keys * np.uint64(0x9E3779B97F4A7C15) + signatures[:, column]
    return keys


def _enough(signatures: NDArray[np.uint32], pairs: Pairs, threshold: float) -> Pairs:
    """Keep the pairs whose signatures agree often enough."""
    kept = []
    for at in range(0, len(pairs), _BATCH * 16):
        some = pairs[at : at + _BATCH * 16]
        shares = (signatures[some[:, 0]] == signatures[some[:, 1]]).mean(axis=1)
        kept.append(some[shares >= threshold])
    return np.concatenate(kept) if kept else np.empty((0, 2), np.int64)
