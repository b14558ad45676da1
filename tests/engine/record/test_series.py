"""The series: a view that grows, is cut back, and is drawn without losing an extreme."""

from __future__ import annotations

from math import inf, nan

from hypothesis import given
from hypothesis import strategies as st

from farense_tui.engine.record.series import Series

values = st.lists(st.floats(-1e6, 1e6), max_size=200)


def series(numbers: list[float]) -> Series:
    made = Series()
    for step, value in enumerate(numbers, 1):
        made = made.appended(step, value)
    return made


@given(values, values, st.integers(0, 200))
def test_growing_one_never_changes_another(first: list[float], more: list[float], cut: int) -> None:
    whole = series(first)
    shorter = whole.until(cut)
    left, right = shorter, shorter
    for at, value in enumerate(more, len(shorter) + 1):
        left = left.appended(at, value)
        right = right.appended(at, -value)
    assert [v for _, v in whole] == first
    assert [v for _, v in shorter] == first[:cut]
    assert [v for _, v in left] == first[:cut] + more
    assert [v for _, v in right] == first[:cut] + [-v for v in more]


@given(values, st.integers(1, 50))
def test_columns_keep_the_extremes(numbers: list[float], count: int) -> None:
    columns = series(numbers).columns(count)
    assert len(columns) <= count
    if numbers:
        assert min(c.low for c in columns) == min(numbers)
        assert max(c.high for c in columns) == max(numbers)
        assert columns[-1].last == numbers[-1]


def test_columns_of_a_part_and_without_finite_values() -> None:
    made = series([5.0, nan, inf, 1.0, 9.0])
    assert [(c.low, c.high) for c in made.columns(1)] == [(1.0, 9.0)]
    assert made.columns(3, start=2, end=3) == []
    assert made.columns(4, start=100) == []
    assert Series().columns(10) == []


def test_a_point_of_the_same_step_takes_the_place() -> None:
    made = series([1.0, 2.0]).appended(2, 7.0)
    assert list(made) == [(1, 1.0), (2, 7.0)]
    assert made.appended(1, 3.0).tail(5) == [3.0]
