"""Which rows train, which validate, which test: seeded, groups on one side, strata spread.

A group are rows that share a question, an answer, a value of the column by which rows are kept
together, or that are nearly the same; and what shares with any of those.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from farense_worker.protocol import holdout
from numpy.typing import NDArray

Numbers = NDArray[np.uint64]
_CLASSES = 10  # rows to an answer, on average: from here on answers are classes
_MOST_SHARED = 0.05  # of the rows; a value that more share keeps nothing together
_FEW = 8  # rows


@dataclass(frozen=True)
class Shares:
    """What goes into valid and test: a number of rows where it is 1 or more, else a fraction."""

    valid: float = 0.0
    test: float = 0.0

    def fraction(self, share: float, rows: int) -> float:
        """Give a share as a fraction of so many rows, at most 1."""
        return min(1.0, share if share < 1 else share / max(1, rows))


def groups(keys: list[Numbers], pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the groups: rows with an equal key (0 is none), and rows of a pair; (n,).

    A group's number is that of its first row.
    """
    rows = len(keys[0])
    labels = np.arange(rows)
    members = [np.unique(key, return_inverse=True)[1] for key in keys]
    while True:
        before = labels.copy()
        for key, member in zip(keys, members, strict=True):
            least = np.full(int(member.max(initial=0)) + 1, rows)
            np.minimum.at(least, member, labels)
            labels = np.where(key == 0, labels, np.minimum(labels, least[member]))
        if len(pairs):
            least_of = np.minimum(labels[pairs[:, 0]], labels[pairs[:, 1]])
            for side in (0, 1):
                np.minimum.at(labels, pairs[:, side], least_of)
        labels = labels[labels]
        if np.array_equal(labels, before):
            return labels


def without_classes(key: Numbers) -> tuple[Numbers, bool]:
    """Take out values that are classes or common phrases, which would keep half of a set together.

    Gives the key, 0 where it keeps nothing together, and whether anything was taken out.
    """
    _values, member, counts = np.unique(key, return_inverse=True, return_counts=True)
    there = key != 0
    shared = counts[member]
    if there.any() and there.sum() / len(np.unique(key[there])) > _CLASSES:
        return np.zeros_like(key), True
    common = there & (shared > max(_FEW, _MOST_SHARED * len(key)))
    return np.where(common, np.uint64(0), key), bool(common.any())


def draw(
    whole: Numbers, group: NDArray[np.int64], stratum: Numbers, shares: Shares, seed: int
) -> NDArray[np.uint8]:
    """Draw the splits, 0 train, 1 valid, 2 test; (n,).

    A stratum gives its share of each; a group that is of several goes by its first row's. It
    depends on what rows say and on the seed, not on the rows' order.
    """
    named = np.full(len(whole), np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(named, group, whole)
    fingerprint = named[group]
    drawn = np.zeros(len(whole), np.uint8)
    for value in np.unique(stratum[group]):
        rest = np.flatnonzero(stratum[group] == value)
        rows = len(rest)
        for number, share in ((2, shares.test), (1, shares.valid)):
            wanted = shares.fraction(share, len(whole)) * rows / max(1, len(rest))
            if not share or len(rest) < 2 or round(wanted * len(rest)) < 1:
                continue
            chosen = holdout.draw(fingerprint[rest], min(wanted, 1.0), seed + number)
            drawn[rest[chosen]] = number
            rest = rest[~chosen]
    return drawn
