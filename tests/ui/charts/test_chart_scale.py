"""Axes, windows, smoothing and sparklines."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farense_tui.engine.record.series import Column, Series
from farense_tui.engine.record.smooth import smoothed, window_for
from farense_tui.ui.charts.chart_picture import LEFT
from farense_tui.ui.charts.chart_scale import (
    Axis,
    Window,
    labels,
    panned,
    reach,
    value_axis,
    zoomed,
)
from farense_tui.ui.charts.spark import course, line_rows, spark_rows

VALUES = st.floats(1e-4, 1e4)


def series(values: list[float]) -> Series:
    found = Series()
    for step, value in enumerate(values, 1):
        found = found.appended(step, value)
    return found


@given(VALUES, VALUES, st.booleans(), st.integers(2, 12))
def test_an_axis_holds_its_values_and_its_ticks(
    one: float, other: float, log: bool, most: int
) -> None:
    axis = value_axis(min(one, other), max(one, other), log)
    for value in (one, other):
        assert 0 <= axis.share(value) <= 1
    ticks = axis.ticks(most)
    assert len(ticks) <= 2 * most + 1
    assert all(-1e-9 <= axis.share(tick) <= 1 + 1e-9 for tick in ticks)
    assert len(labels(ticks)) == len(ticks)


def test_ticks_are_round() -> None:
    assert Axis(0.27, 3.4).ticks(4) == [1.0, 2.0, 3.0]
    assert labels([0.5, 1.0, 1.5]) == ["0.5", "1.0", "1.5"]
    assert labels(Axis(0.05, 11.0, log=True).ticks(10)) == [
        "0.05", "0.10", "0.20", "0.50", "1.00", "2.00", "5.00", "10.00"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "written"),
    [
        (0, 2e-4, "0 5e-5 1e-4 1.5e-4 2e-4"),
        (0, 1e-6, "0 2e-7 4e-7 6e-7 8e-7 1e-6"),
        (1e-9, 3e-9, "1e-9 1.5e-9 2e-9 2.5e-9 3e-9"),
        (0, 9000, "0 2000 4000 6000 8000"),
        (0, 25_000, "0k 5k 10k 15k 20k 25k"),
        (10_100, 10_500, "10100 10200 10300 10400 10500"),
        (1e7, 3e7, "10M 15M 20M 25M 30M"),
        (1.0001, 1.0003, "1.0001 1.0002 1.0002 1.0003 1.0003"),
    ],
)
def test_ticks_are_told_apart_in_the_cells_that_there_are(
    low: float, high: float, written: str
) -> None:
    assert labels(Axis(low, high).ticks(6)) == written.split()
    assert all(len(label) < LEFT for label in written.split())


def test_values_that_are_all_the_same_have_an_axis() -> None:
    assert 0 < value_axis(2.0, 2.0, False).share(2.0) < 1
    assert value_axis(math.inf, -math.inf, False) == Axis(0.0, 1.0)
    assert value_axis(0.0, 0.0, True).low > 0


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.booleans())
def test_the_axis_reaches_the_newest_step(step: int, total: int, ended: bool) -> None:
    assert reach(step, total if total >= step else 0, ended) >= step


def test_the_axis_grows_in_stages() -> None:
    assert [reach(step, 600, False) for step in (3, 14, 16, 101, 299, 361)] == [
        10, 15, 20, 150, 300, 600
    ]  # fmt: skip
    assert reach(361, 600, True) == 361


def test_zoom_keeps_the_newest_step_and_ends_at_the_whole() -> None:
    window = zoomed(None, 1000, 0.5, None)
    assert window == Window(500, None)
    assert zoomed(window, 1000, 2.5, None) is None


def test_pan_stops_at_both_ends() -> None:
    window = panned(Window(500, None), 1000, -0.5)
    assert window == Window(250, 750)
    assert panned(window, 1000, -5) == Window(0, 500)
    assert panned(window, 1000, 5) == Window(500, None)
    assert panned(None, 1000, 1) is None


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=400), st.integers(1, 80))
def test_the_smoothed_line_stays_among_the_values(values: list[float], count: int) -> None:
    columns = series(values).columns(count)
    line = smoothed(columns, window_for(len(values)))
    assert [step for step, _ in line] == [column.step for column in columns]
    assert all(min(values) - 1e-9 <= value <= max(values) + 1e-9 for _, value in line)


def test_one_spike_does_not_move_the_smoothed_line() -> None:
    values = [1.0] * 50
    values[25] = 100.0
    line = smoothed(series(values).columns(50), 7)
    assert {value for _, value in line} == {1.0}


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=80), st.integers(1, 5))
def test_a_sparkline_has_a_character_a_value(values: list[float], height: int) -> None:
    rows = spark_rows(values, height)
    assert [len(row) for row in rows] == [len(values)] * height
    assert all(column != " " for column in rows[-1])


@pytest.mark.parametrize("height", [1, 2, 5])
def test_a_thin_line_reaches_both_extremes(height: int) -> None:
    columns = [Column(1, 0, 1, 1, 0.5, 1), Column(2, 5, 9, 9, 7, 1), Column(3, 2, 2, 2, 2, 1)]
    rows = line_rows(columns, 4, height)
    assert [len(row) for row in rows] == [4] * height
    assert rows[0].strip()
    assert rows[-1].strip()


def test_an_outlier_does_not_flatten_a_sparkline() -> None:
    values = course(series([10.0, *(1.0 + n % 2 for n in range(400))]), 20)
    assert max(values) <= 2.0
    assert len(values) == 20


def test_nothing_makes_empty_rows() -> None:
    assert spark_rows([], 2) == ["", ""]
    assert line_rows([], 4, 2) == ["", ""]
