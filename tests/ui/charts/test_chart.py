"""The loss chart by itself: the wheel, the themes, and losses that cannot be drawn."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.events import MouseMove, MouseScrollLeft, MouseScrollRight, MouseScrollUp
from textual.geometry import Region
from textual.pilot import Pilot

from farense_tui.engine.record.record import state_of
from farense_tui.engine.record.series import Series
from farense_tui.engine.record.state import RunState
from farense_tui.ui.charts.chart import Chart
from farense_tui.ui.charts.chart_data import SUBJECTS, ChartData, Curve, of
from farense_tui.ui.charts.chart_picture import LEFT
from farense_tui.ui.charts.chart_scale import time_ticks
from farense_tui.ui.charts.cut import Cut
from farense_tui.ui.theme import THEMES
from tests.ui import recorded

SIZE = (80, 20)


class ChartApp(App[None]):
    def compose(self) -> ComposeResult:
        yield Chart()

    def on_mount(self) -> None:
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = "farense-dark"


def data(values: list[float], validations: tuple[tuple[float, float], ...] = ()) -> ChartData:
    loss = Series()
    for step, value in enumerate(values, 1):
        loss = loss.appended(step, value)
    curve = Curve("", loss, marks=validations)
    return ChartData(
        "loss",
        (curve,),
        max(1, len(values)),
        "nothing yet",
        lambda step: (("step", f"{step:.0f}"),),
    )


def text_of(chart: Chart) -> str:
    return "\n".join(
        "".join(chart.get_pixel(x, y)[0] for x in range(chart.size.width))
        for y in range(chart.size.height)
    )


async def test_the_wheel_zooms_at_the_pointer() -> None:
    async with ChartApp().run_test(size=SIZE) as pilot:
        chart = pilot.app.query_one(Chart)
        chart.show(data([2.0 + math.sin(n / 9) for n in range(1000)]))
        await pilot.pause()
        under_it = chart._step_at(40)
        for _ in range(3):
            await pilot._post_mouse_events([MouseScrollUp], chart, offset=(40, 8))
        assert chart.seen is not None
        assert chart.seen.end is not None
        assert chart.seen.end - chart.seen.start < 600
        assert math.isclose(chart._step_at(40), under_it, abs_tol=1)


async def test_a_first_loss_of_ten_is_marked_at_the_edge() -> None:
    async with ChartApp().run_test(size=SIZE) as pilot:
        chart = pilot.app.query_one(Chart)
        values = [10.0, *(1.0 + 0.1 * math.sin(n / 9) for n in range(300))]
        shown = replace(data(values), cuts_outliers=True)
        chart.show(shown)
        await pilot.pause()
        lines = text_of(chart).splitlines()
        assert "▲ up to 10" in lines[0]
        assert lines[1][LEFT] == "▲"
        assert lines[1].startswith("  1.10")  # it is not flat
        await pilot.pause()
        chart.log_scale = True  # which has room for all
        assert "▲" not in text_of(chart)
        chart.log_scale = False
        chart.show(replace(shown, title="learning rate", cuts_outliers=False))
        assert "▲" not in text_of(chart)


async def drag(pilot: Pilot[None], start: int, end: int) -> None:
    """Press in one column, move, let go in another."""
    await pilot.mouse_down(Chart, offset=(start, 5))
    for x in (start, (start + end) // 2, end):
        await pilot._post_mouse_events([MouseMove], Chart, offset=(x, 5), button=1)
    await pilot.mouse_up(Chart, offset=(end, 5))


async def test_dragging_zooms_into_what_is_dragged_over() -> None:
    async with ChartApp().run_test(size=SIZE) as pilot:
        chart = pilot.app.query_one(Chart)
        chart.show(data([2.0 + math.sin(n / 9) for n in range(1000)]))
        await pilot.pause()
        first, last = chart._step_at(60), chart._step_at(30)
        await pilot.mouse_down(Chart, offset=(60, 5))
        await pilot._post_mouse_events([MouseMove], Chart, offset=(30, 5), button=1)
        assert text_of(chart).startswith(f" step {last:.0f} to {first:.0f}: let go")
        assert text_of(chart).count("┃") == 2 * (SIZE[1] - 2)
        await pilot.mouse_up(Chart, offset=(30, 5))
        assert chart.seen == pytest.approx((last, first + 1000 / (SIZE[0] - LEFT)))
        assert "┃" not in text_of(chart)
        await drag(pilot, 20, 78)  # within what is seen, which is not the whole run
        assert chart.seen is not None
        assert chart.seen.end == pytest.approx(first, rel=0.02)
        assert last < chart.seen.start < first
        await pilot.double_click(Chart, offset=(40, 5))
        assert chart.seen is None
        assert not chart._kept
        await drag(pilot, 40, 79)  # to its edge: it follows the newest step again
        assert chart.seen is not None
        assert chart.seen.end is None


async def test_a_click_keeps_the_crosshair_and_another_lets_it_go() -> None:
    async with ChartApp().run_test(size=SIZE) as pilot:
        chart = pilot.app.query_one(Chart)
        chart.show(data([2.0 + math.sin(n / 9) for n in range(1000)]))
        await pilot.pause()
        await pilot.click(Chart, offset=(50, 5))
        kept = chart.cursor
        assert kept == round(chart._step_at(50))
        assert chart.read_out == f"step {kept:.0f}"
        await pilot.hover(Chart, offset=(30, 5))
        chart.on_leave()
        assert chart.cursor == kept
        await drag(pilot, 50, 51)  # a hand that trembles
        assert chart.seen is None
        await pilot.hover(Chart, offset=(30, 5))
        assert chart.cursor == round(chart._step_at(30))
        chart.on_leave()
        assert chart.cursor is None
        assert chart.read_out == "step 1000"


async def test_the_wheel_pans_with_shift_and_sideways() -> None:
    async with ChartApp().run_test(size=SIZE) as pilot:
        chart = pilot.app.query_one(Chart)
        chart.show(data([2.0 + math.sin(n / 9) for n in range(1000)]))
        chart.zoom(0.2)
        await pilot._post_mouse_events([MouseScrollUp], chart, offset=(40, 8), shift=True)
        assert tuple(chart.seen or ()) == (780.0, 980.0)
        await pilot._post_mouse_events([MouseScrollLeft], chart, offset=(40, 8))
        assert tuple(chart.seen or ()) == (760.0, 960.0)
        for _ in range(2):
            await pilot._post_mouse_events([MouseScrollRight], chart, offset=(40, 8))
        assert tuple(chart.seen or ()) == (800.0, None)


async def test_another_theme_draws_in_other_colours() -> None:
    async with ChartApp().run_test(size=SIZE) as pilot:
        chart = pilot.app.query_one(Chart)
        chart.show(data([2.0, 1.0, 1.5]))
        await pilot.pause()
        before = {style for row in chart._styles for style in row}
        pilot.app.theme = "farense-light"
        await pilot.pause()
        after = {style for row in chart._styles for style in row}
        assert not before & after - {""}


async def test_losses_of_which_none_is_finite() -> None:
    async with ChartApp().run_test(size=SIZE) as pilot:
        chart = pilot.app.query_one(Chart)
        chart.show(data([math.nan, math.nan]))
        await pilot.pause()
        assert "no value is finite" in text_of(chart)
        chart.show(data([], ((0.0, 3.0), (5.0, math.nan))))
        chart._draw()
        assert "◇" in text_of(chart)


async def test_a_single_step_and_a_loss_that_never_changes() -> None:
    async with ChartApp().run_test(size=SIZE) as pilot:
        chart = pilot.app.query_one(Chart)
        for values in ([1.0], [2.0] * 40, [0.0] * 40):
            for chart.log_scale in (False, True):
                chart.show(data(values))
                chart._draw()
                assert any("\u2800" < char <= "\u28ff" for char in text_of(chart))


async def test_the_crosshair_reads_out_the_step_nearest_to_it() -> None:
    async with ChartApp().run_test(size=SIZE) as pilot:
        chart = pilot.app.query_one(Chart)
        chart.show(data([2.0, 1.0, 1.5, 1.2]))
        chart.toggle_cursor()
        assert text_of(chart).startswith(" step 4")
        chart.step_cursor(-1)
        assert text_of(chart).startswith(" step 3")
        for _ in range(9):
            chart.step_cursor(-1)
        assert chart.cursor == 1
        await pilot.hover(Chart, offset=(50, 5))
        assert chart.cursor == round(chart._step_at(50))
        chart.toggle_cursor()
        assert "┼" not in text_of(chart)


async def test_the_crosshair_takes_what_is_seen_along() -> None:
    async with ChartApp().run_test(size=SIZE) as pilot:
        chart = pilot.app.query_one(Chart)
        chart.show(data([2.0 + math.sin(n / 9) for n in range(1000)]))
        chart.zoom(0.1)
        chart.toggle_cursor()
        for _ in range(100):
            chart.step_cursor(-1)
        assert chart.seen is not None
        assert chart.cursor is not None
        assert chart.seen.start <= chart.cursor <= 900


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_subject_reads_out_what_the_record_says(tmp_path: Path, subject: str) -> None:
    state = state_of(recorded.live(tmp_path).folder)
    shown = of(state, subject)
    curve = shown.curves[0]
    assert len(curve.series) > 0
    assert all("—" not in value for _, value in shown.read(shown.reach / 2))
    assert shown.convert(curve.series.last or 0) >= 0
    empty = of(RunState(), subject)
    assert not len(empty.curves[0].series)
    assert empty.read(3.0)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), st.floats(-10, 300, allow_nan=False)
)
def test_near_is_the_nearest(values: list[float], step: float) -> None:
    series = Series()
    for at, value in enumerate(values, 1):
        series = series.appended(at, value)
    near, value = series.near(step) or (0.0, 0.0)
    assert abs(near - step) == min(abs(n - step) for n in range(1, len(values) + 1))
    assert value == values[int(near) - 1]


@given(st.floats(0, 1e6), st.floats(1, 1e7), st.integers(2, 20))
def test_times_on_the_axis_are_round_and_few(low: float, span: float, most: int) -> None:
    ticks = time_ticks(low, low + span, most)
    assert len(ticks) <= most + 1
    assert all(low - 1e-6 <= tick <= low + span + 1e-6 for tick in ticks)


# ---- a resume with other settings -------------------------------------------------------------


def resumed_with(tmp_path: Path, *rates: float) -> RunState:
    """A run of 100 steps for each rate, resumed with the next."""
    run = recorded.Recording(tmp_path)
    for number, rate in enumerate(rates):
        run.start(100 * number, {"train.learning_rate": rate})
        run.train(100 * number + 100)
    return state_of(run.folder)


async def test_what_a_resume_changed_is_told_on_its_mark(tmp_path: Path) -> None:
    state = resumed_with(tmp_path, 2e-4, 2e-4, 1e-4)
    async with ChartApp().run_test(size=(120, 20)) as pilot:
        chart = pilot.app.query_one(Chart)
        chart.show(of(state))
        await pilot.pause()
        legend, head = (text_of(chart).split("\n")[row] for row in (0, 1))
        assert "┊ resumed   Δ step 200: learning_rate 0.0002 → 0.0001" in legend
        assert head.count("Δ") == 1
        chart.cursor = 200.0
        await pilot.pause()
        reading = text_of(chart).split("\n")[0]
        assert reading.startswith(" step 200   loss ")
        assert "Δ learning_rate 0.0002 → 0.0001" in reading
        chart.cursor = 100.0
        await pilot.pause()
        assert "┊ resumed" in text_of(chart).split("\n")[0]
        chart.cursor = 150.0
        await pilot.pause()
        assert not {"Δ", "┊"} & set(text_of(chart).split("\n")[0])


async def test_a_narrow_legend_says_that_something_was_changed(tmp_path: Path) -> None:
    state = resumed_with(tmp_path, 2e-4, 1e-4)
    async with ChartApp().run_test(size=SIZE) as pilot:
        chart = pilot.app.query_one(Chart)
        chart.show(of(state))
        await pilot.pause()
        legend = text_of(chart).split("\n")[0]
        assert "Δ changed" in legend
        assert "resumed" not in legend


async def test_only_the_lines_that_came_out_otherwise_are_painted() -> None:
    async with ChartApp().run_test(size=SIZE) as pilot:
        chart = pilot.app.query_one(Chart)
        chart.show(data([1.0, 2.0, 3.0]))
        await pilot.pause()
        painted: list[Region] = []
        whole: list[bool] = []

        def set_dirty(*regions: Region) -> None:
            painted.extend(regions)
            whole.append(not regions)

        chart._set_dirty = set_dirty  # type: ignore[method-assign]
        chart._draw()
        assert not whole, "the same picture is painted again"
        before = text_of(chart).splitlines()
        chart._data = data([1.0, 2.0, 2.9])
        chart._draw()
        after = text_of(chart).splitlines()
        others = [y for y, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
        assert others
        assert {region.y for region in painted} >= set(others)
        assert not any(whole)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=300), st.integers(1, 40))
def test_columns_cut_as_a_series_grows_keep_every_extreme(values: list[float], count: int) -> None:
    cut, series = Cut(), Series()
    for step, value in enumerate(values, 1):
        series = series.appended(step, value)
        columns = cut.columns(series, count)
        assert len(columns) <= count
        assert (columns[-1].step, columns[-1].last) == (step, value)
        assert sum(column.points for column in columns) == step
        assert min(column.low for column in columns) == min(values[:step])
        assert max(column.high for column in columns) == max(values[:step])
    shorter = series.until(len(values) // 2)
    assert cut.columns(shorter, count) == shorter.columns(count)
