"""Rows that are there more than once, within a split and between splits."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from farense_worker.protocol.dataset import Row


@dataclass(frozen=True)
class Again:
    """A row that was there before. Splits are numbered in the order in which they were read."""

    split: int
    line: int
    first_split: int
    first_line: int
    exact: bool


class Duplicates:
    """Remembers rows by 64-bit hashes, 24 bytes a row; in a million rows the chance that two
    different ones are taken for the same is below one in ten million.
    """

    def __init__(self) -> None:
        self._exact = array("Q")
        self._normalised = array("Q")
        self._place = array("Q")  # split << 48 | line

    def add(self, split: int, row: Row) -> None:
        self._exact.append(row.fingerprint(normalised=False))
        self._normalised.append(row.fingerprint(normalised=True))
        self._place.append(split << 48 | row.line)

    def find(self) -> Iterator[Again]:
        """Give each row that an earlier one equals but for white space and case, in order."""
        if not self._place:
            return
        exact = np.frombuffer(self._exact, np.uint64)
        normalised = np.frombuffer(self._normalised, np.uint64)
        _, first, group = np.unique(normalised, return_index=True, return_inverse=True)
        earlier = first[group]
        _, first_exact, group_exact = np.unique(exact, return_index=True, return_inverse=True)
        earlier_exact = first_exact[group_exact]
        for at in np.flatnonzero(earlier != np.arange(len(earlier))):
            same = earlier_exact[at] != at
            before = int(earlier_exact[at] if same else earlier[at])
            here, there = self._place[int(at)], self._place[before]
            yield Again(
                here >> 48, here & (1 << 48) - 1, there >> 48, there & (1 << 48) - 1, bool(same)
            )
