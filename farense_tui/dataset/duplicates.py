"""Rows that are there more than once: the same but for white space and case, or nearly so.

Near: the share of five-character pieces that two rows have in common (Jaccard), as MinHash
estimates it from 120 permutations; rows are compared that agree in one of 20 bands of 6.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

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
_BATCH = 512  # rows
_COMPARED = 8 * _BATCH  # pairs
_PIECES_AT_ONCE = 1 << 20  # 8 MiB of them; of long rows a batch has fewer
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
    with (folder / "signatures").open("w+b") as file:
        for hashes, ends in _pieces(pool.raws()):
            matrix = minhash.RMinHash.digest_matrix_from_flat_token_hashes(
                hashes, ends, _PERMUTATIONS, _SEED
            )
            file.write(np.asarray(matrix.to_rows(), np.uint32).tobytes())
        return _alike(_Signatures(file, len(pool)), threshold)


class _Signatures:
    """Those of all rows, in a file. It is read and not mapped: what is mapped stays in memory."""

    def __init__(self, file: IO[bytes], rows: int) -> None:
        """file: has `rows` signatures."""
        file.flush()
        self._from, self.rows = file.fileno(), rows

    def band(self, band: int) -> NDArray[np.uint64]:
        """Put a band of each signature into one number; (n,)."""
        keys = np.zeros(self.rows, np.uint64)
        for at in range(0, self.rows, _BATCH):
            some = keys[at : at + _BATCH]
            read = self._numbers(self._read(at, len(some)))
            for column in range(band * _ROWS, (band + 1) * _ROWS):
                some *= np.uint64(0x9E3779B97F4A7C15)
                some += read[:, column]
        return keys

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Give those of some rows; (rows, permutations)."""
        return self._numbers(b"".join(self._read(at, 1) for at in rows.tolist()))

    def _read(self, at: int, rows: int) -> bytes:
        each = _PERMUTATIONS * np.dtype(np.uint32).itemsize
        return os.pread(self._from, rows * each, at * each)

    def _numbers(self, read: bytes) -> NDArray[np.uint32]:
        return np.frombuffer(read, np.uint32).reshape(-1, _PERMUTATIONS)


def _pieces(raws: Iterator[bytes]) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.uint64]]]:
    """Give hashes of the pieces of many rows, and where each row's begin and end."""
    hashes: list[NDArray[np.uint64]] = []
    count = 0
    for raw in raws:
        hashes.append(_hashes(_text(msgspec.json.decode(raw))))
        count += len(hashes[-1])
        if len(hashes) == _BATCH or count > _PIECES_AT_ONCE:
            yield _joined(hashes)
            hashes, count = [], 0
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


def _alike(signatures: _Signatures, threshold: float) -> Pairs:
    found: list[Pairs] = []
    rows = np.arange(signatures.rows)
    after = signatures.band(_BANDS - 1)
    for band in range(_BANDS):
        keys, before = signatures.band(band), after
        order = np.lexsort((before, keys))  # of a bucket, those side by side are the likeliest
        after = keys
        ordered = keys[order]
        begins = np.concatenate(([True], ordered[1:] != ordered[:-1]))
        first = order[np.maximum.accumulate(np.where(begins, rows, 0))]
        pairs = []
        for other in (first, np.concatenate(([order[0]], order[:-1]))):
            inside = ~begins & (other != order)
            pairs.append(np.stack([order[inside], other[inside]], axis=1))
        alike = np.unique(np.sort(np.concatenate(pairs), axis=1), axis=0)
        found.append(_enough(signatures, alike, threshold))
    return np.unique(np.concatenate(found), axis=0)


def _enough(signatures: _Signatures, pairs: Pairs, threshold: float) -> Pairs:
    """Keep the pairs whose signatures agree often enough."""
    kept = [np.empty((0, 2), np.int64)]
    for at in range(0, len(pairs), _COMPARED):
        some = pairs[at : at + _COMPARED]
        rows, at_row = np.unique(some, return_inverse=True)
        read, (one, other) = signatures.of(rows), at_row.reshape(some.shape).T
        shares = (read[one] == read[other]).mean(axis=1)
        kept.append(some[shares >= threshold])
    return np.concatenate(kept)
