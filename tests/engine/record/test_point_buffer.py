"""The summarised buffer gives what a plain loop over the values gives."""

from __future__ import annotations

import math
from array import array

from hypothesis import given
from hypothesis import strategies as st

from farense_tui.engine.record import buckets, point_buffer
from farense_tui.engine.record.point_buffer import Points
from farense_tui.engine.record.series import Series

VALUES = st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(math.nan)), max_size=900)


@given(VALUES, st.data())
def test_summary_is_that_of_a_plain_loop(values: list[float], data: st.DataObject) -> None:
    points = Points(array("d", range(len(values))), array("d", values))
    start = data.draw(st.integers(0, len(values)))
    stop = data.draw(st.integers(start, len(values)))
    finite = [value for value in values[start:stop] if math.isfinite(value)]
    here = points.summary(start, stop)
    assert (here.points, here.finite) == (stop - start, len(finite))
    assert here.low == min(finite, default=math.inf)
    assert here.high == max(finite, default=-math.inf)
    assert math.isclose(here.total, math.fsum(finite), rel_tol=1e-9, abs_tol=1e-3)
    bad = [at for at in range(start, stop) if not math.isfinite(values[at])]
    assert list(points.not_finite(start, stop)) == bad


@given(VALUES, st.integers(1, 300))
def test_columns_lose_no_extreme_and_no_point(values: list[float], count: int) -> None:
    series = Series()
    for step, value in enumerate(values, 1):
        series = series.appended(step, value)
    finite = [value for value in values if math.isfinite(value)]
    columns = series.columns(count)
    assert len(columns) <= count
    assert sum(column.points for column in columns) == len(finite)
    assert min((c.low for c in columns), default=None) == min(finite, default=None)
    assert max((c.high for c in columns), default=None) == max(finite, default=None)


def test_two_runs_do_not_share_the_empty_series() -> None:
    empty = Series()
    one, other = empty.appended(1, 1.0), empty.appended(1, 2.0)
    assert (list(one), list(other)) == ([(1.0, 1.0)], [(1.0, 2.0)])


def test_a_series_that_was_cut_back_goes_its_own_way() -> None:
    series = Series()
    for step in range(1, 700):
        series = series.appended(step, float(step))
    assert series.columns(1)[0].high == 699
    again = series.until(300).appended(301, -1.0)
    assert again.columns(1)[0].high == 300
    assert again.columns(1)[0].low == -1
    assert series.columns(1)[0].low == 1


def test_the_buffer_is_soon_as_large_as_it_will_ever_be() -> None:
    series, sizes = Series(), []
    for start in range(0, 1_000_000, 4000):
        steps = array("d", range(start, start + 4000))
        series = series.extended(steps, steps)
        held = series._all
        assert len(held.steps) <= point_buffer.MOST
        assert len(held.head) <= buckets._MOST
        sizes.append(16 * len(held.steps) + 8 * sum(map(len, held.head.columns)))
    assert max(sizes[62:]) - max(sizes[:62]) < 30_000
    assert max(sizes) < 350_000
    whole = series.columns(1)[0]
    assert (len(series), whole.points, whole.low, whole.high) == (1_000_000, 1_000_000, 0, 999_999)
    assert math.isclose(whole.mean, 999_999 / 2)
    assert len(series.columns(600)) == 600
