"""The lengths of a split's rows, summed up."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from farense_worker.data.labels import Encoded
from farense_worker.protocol.messages.data_check import Bin, Split

_MOST_BINS = 12
_NARROWEST = 4
_SQUASHED = 5  # bins: with fewer there is little to be told apart


class Lengths:
    """Counts rows, their tokens and their labels."""

    def __init__(self, max_seq_length: int) -> None:
        self._most = max_seq_length
        self._lengths = array("i")
        self._labels = 0

    def add(self, row: Encoded) -> None:
        self._lengths.append(len(row.tokens))
        self._labels += row.labels(self._most)

    def split(self, name: str, rows: int) -> Split:
        """Sum up. rows: sound rows, tokenised or not."""
        lengths = np.sort(np.frombuffer(self._lengths, np.int32))
        if not len(lengths):
            return Split(name, rows)
        return Split(
            name,
            rows,
            tokens=int(lengths.sum()),
            labels=self._labels,
            shortest=int(lengths[0]),
            median=int(lengths[(len(lengths) - 1) // 2]),
            most=int(lengths[-(-len(lengths) * 95 // 100) - 1]),
            longest=int(lengths[-1]),
            truncated=int((lengths > self._most).sum()),
            bins=bins(lengths),
        )


def bins(lengths: NDArray[np.int32]) -> tuple[Bin, ...]:
    """Cut sorted lengths into at most a dozen bins of equal width, a power of two.

    The last one is open where it would take a wider cut to hold the longest 1% as well. Where
    few long rows would squash all others into one bin, each is twice as wide as the one before.
    """
    found = _even(lengths)
    squashed = len(found) > _SQUASHED and max(each.rows for each in found) > len(lengths) * 0.8
    return _doubling(lengths) if squashed else found


def _doubling(lengths: NDArray[np.int32]) -> tuple[Bin, ...]:
    end = _NARROWEST
    while end < lengths[0]:
        end *= 2
    found, start, before = [], 1, 0
    while before < len(lengths):
        upto = int(np.searchsorted(lengths, end, side="right"))
        found.append(Bin(start, end, upto - before))
        start, before, end = end + 1, upto, end * 2
    return tuple(found)


def _even(lengths: NDArray[np.int32]) -> tuple[Bin, ...]:
    usual = int(lengths[-(-len(lengths) * 99 // 100) - 1])
    width = _NARROWEST
    while usual > width * (_MOST_BINS - 1):
        width *= 2
    number = max(1, min(_MOST_BINS, -(-int(lengths[-1]) // width)))  # rows may have no token
    edges = np.arange(1, number) * width
    cuts = [0, *np.searchsorted(lengths, edges, side="right"), len(lengths)]
    found = [
        Bin(at * width + 1, (at + 1) * width, int(cuts[at + 1] - cuts[at])) for at in range(number)
    ]
    if lengths[-1] > found[-1].end:
        found[-1] = Bin(found[-1].start, 0, found[-1].rows)
    while len(found) > 1 and not found[0].rows:
        found.pop(0)
    return tuple(found)
