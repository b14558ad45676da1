"""Setting rows of the training file aside for validation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def draw(fingerprints: NDArray[np.uint64], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Choose about `fraction` of the rows, at random by `seed`; (n,), true where chosen.

    Rows of equal fingerprint stay together, so that no text is on both sides. It depends on the
    rows and the seed, not on the order of the rows. At most round(fraction * n) rows are chosen
    (at least 1), or the smallest group where each is larger than that; never all of them.
    """
    groups, group_of, sizes = np.unique(fingerprints, return_inverse=True, return_counts=True)
    if len(groups) < 2:
        return np.zeros(len(fingerprints), np.bool_)
    order = np.argsort(_scatter(groups ^ _scatter(np.array([seed], np.uint64))), kind="stable")
    wanted = max(1, round(fraction * len(fingerprints)))
    fitting = order[sizes[order] <= wanted]
    taken = fitting[np.cumsum(sizes[fitting]) <= wanted][: len(groups) - 1]
    if not len(taken):
        taken = order[[np.argmin(sizes[order])]]
    chosen = np.zeros(len(groups), np.bool_)
    chosen[taken] = True
    return chosen[group_of]


def _scatter(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits (SplitMix64: Steele, Lea and Flood, OOPSLA 2014), one to one."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
