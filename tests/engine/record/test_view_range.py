"""Which values an axis has room for."""

from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from farense_tui.engine.record.series import Column, Series
from farense_tui.engine.record.view_range import robust, whole


def columns(values: list[float], count: int = 146) -> list[Column]:
    series = Series()
    for step, value in enumerate(values, 1):
        series = series.appended(step, value)
    return series.columns(count)


def course(steps: int, seed: int = 1) -> list[float]:
    """A loss that falls as losses do, with its noise."""
    noise = random.Random(seed)
    return [0.9 + 1.6 * math.exp(-n / 30) + noise.gauss(0, 0.08) for n in range(steps)]


def test_a_first_loss_of_ten_does_not_flatten_the_rest() -> None:
    found = robust(columns([10.0, *course(300)]), window=15)
    assert found.high < 3.5
    assert (found.least, found.most) == (whole(columns(course(300))).low, 10.0)
    assert found.cut


def test_a_usual_course_is_shown_whole() -> None:
    for steps in (5, 20, 60, 240, 1000):
        assert not robust(columns(course(steps)), window=15).cut


def test_a_loss_that_rises_now_is_shown_whole() -> None:
    rises = [*course(300), *(1.0 + 0.8 * n for n in range(12))]
    assert robust(columns(rises), window=5).high > 7


def test_one_spike_is_left_out_and_a_validation_is_not() -> None:
    spiked = [*course(200), 40.0, *course(200)[100:]]
    assert robust(columns(spiked), window=15).high < 5
    assert robust(columns(spiked), [(1, 12.0), (290, 6.0)], window=15).high == 6.0


def test_a_few_points_and_points_that_are_alike() -> None:
    assert not robust(columns([10.0, 1.0, 1.1])).cut
    assert not robust([]).cut
    assert not robust(columns([2.0] * 50)).cut
    assert robust(columns([2.0] * 50 + [50.0] + [2.0] * 50)).high < 3


def test_the_axis_moves_rarely_while_a_run_grows() -> None:
    values, seen, cut = [10.0, 6.0, *course(600)], set(), False
    for upto in range(60, 600):
        found = robust(columns(values[:upto]), window=11, before=cut)
        cut = found.cut
        seen.add(found.high)
    assert len(seen) <= 6


@given(st.lists(st.floats(-1e300, 1e300), max_size=60))
def test_it_lies_within_what_there_is(values: list[float]) -> None:
    found = robust(columns(values))
    assert found.least <= found.low or not values
    assert found.high <= found.most or not values
    assert found.low <= found.high or not values
