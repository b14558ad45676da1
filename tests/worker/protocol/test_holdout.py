"""Rows set aside for validation: disjoint, complete, seeded, equal rows together."""

from __future__ import annotations

from random import Random

import numpy as np
from farense_worker.protocol.holdout import draw
from hypothesis import given
from hypothesis import strategies as st

fingerprints = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5), min_size=1, max_size=200)
fractions = st.floats(0.01, 0.5)
seeds = st.integers(0, 2**32 - 1)


def as_array(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array(values, np.uint64)


@given(fingerprints, fractions, seeds)
def test_no_row_on_both_sides_and_never_all(values: list[int], fraction: float, seed: int) -> None:
    prints = as_array(values)
    chosen = draw(prints, fraction, seed)
    assert chosen.shape == prints.shape
    assert not set(prints[chosen]) & set(prints[~chosen])
    assert not chosen.all()
    sizes = np.unique(prints, return_counts=True)[1]
    if len(sizes) > 1:
        assert chosen.any()
        wanted = max(1, round(fraction * len(values)))
        assert chosen.sum() <= max(wanted, sizes.min())


@given(fingerprints, fractions, seeds, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_makes_no_difference(
    values: list[int], fraction: float, seed: int, random: Random
) -> None:
    prints = as_array(values)
    shuffled = prints.copy()
    random.shuffle(shuffled)  # type: ignore[arg-type]
    assert set(prints[draw(prints, fraction, seed)]) == set(
        shuffled[draw(shuffled, fraction, seed)]
    )


def test_different_rows_give_the_very_share() -> None:
    prints = as_array(list(range(1000)))
    assert draw(prints, 0.1, 0).sum() == 100
    assert draw(prints, 0.5, 7).sum() == 500


def test_another_seed_chooses_others_evenly() -> None:
    prints = as_array(list(range(1000)))
    times = np.sum([draw(prints, 0.1, seed) for seed in range(200)], axis=0)
    assert (draw(prints, 0.1, 0) != draw(prints, 0.1, 1)).any()
    assert times.mean() == 20  # each row is chosen in a tenth of the draws,
    assert 10 < np.var(times) < 30  # by chance: the binomial has a variance of 18
