"""The rate of each step, and a warm-up that ends."""

from __future__ import annotations

import pytest
from farense_worker.protocol.plan.learning_rate import highest, is_capped, learning_rate, warmup
from farense_worker.protocol.settings.profile import Train
from hypothesis import given
from hypothesis import strategies as st

SHORT = 6  # steps of three epochs over 16 rows, 8 a step


def test_the_rate_is_reached_however_few_the_rows() -> None:
    train = Train(warmup_steps=100)
    assert [learning_rate(train, step, SHORT) for step in range(1, SHORT + 1)] == [2e-4] * SHORT
    assert [learning_rate(train, step, 30) for step in (1, 2, 3, 30)] == pytest.approx(
        [2e-4 / 3, 4e-4 / 3, 2e-4, 2e-4]
    )
    assert highest(train, 30) == (2e-4, 3)
    assert (warmup(train, 999), warmup(train, 1000), warmup(train, 5000)) == (99, 100, 100)
    assert is_capped(train, 999)
    assert not is_capped(train, 1000)


def test_without_a_cap_it_is_as_it_was() -> None:
    train = Train(warmup_steps=100, warmup_cap=0.0)
    assert highest(train, SHORT) == pytest.approx((1.2e-5, SHORT))


@given(
    st.integers(1, 600),
    st.integers(0, 500),
    st.sampled_from(["constant", "linear", "cosine"]),
    st.sampled_from([0.0, 0.1, 1.0]),
)
def test_the_highest_rate_is_the_highest(steps: int, warm: int, how: str, cap: float) -> None:
    train = Train(warmup_steps=warm, warmup_cap=cap, schedule=how)  # type: ignore[arg-type]
    rates = [learning_rate(train, step, steps) for step in range(1, steps + 1)]
    assert highest(train, steps)[0] == pytest.approx(max(rates))
