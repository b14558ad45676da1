"""The loss chart by itself: the wheel, the themes, and losses that cannot be drawn."""

from __future__ import annotations

import math

from textual.app import App, ComposeResult
from textual.events import MouseScrollUp

from farense_tui.engine.series import Series
from farense_tui.theme import THEMES
from farense_tui.widgets.loss_chart import LossChart
from farense_tui.widgets.loss_picture import LossData

SIZE = (80, 20)


class ChartApp(App[None]):
    def compose(self) -> ComposeResult:
        yield LossChart()

    def on_mount(self) -> None:
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = "farense-dark"


def data(values: list[float], validations: tuple[tuple[float, float], ...] = ()) -> LossData:
    loss = Series()
    for step, value in enumerate(values, 1):
        loss = loss.appended(step, value)
    return LossData(loss, validations, None, (), len(values), True)


def text_of(chart: LossChart) -> str:
    return "\n".join(
        "".join(chart.get_pixel(x, y)[0] for x in range(chart.size.width))
        for y in range(chart.size.height)
    )


async def test_the_wheel_zooms_at_the_pointer() -> None:
    async with ChartApp().run_test(size=SIZE) as pilot:
        chart = pilot.app.query_one(LossChart)
        chart.show(data([2.0 + math.sin(n / 9) for n in range(1000)]))
        await pilot.pause()
        under_it = chart._step_at(40)
        for _ in range(3):
            await pilot._post_mouse_events([MouseScrollUp], chart, offset=(40, 8))
        assert chart.seen is not None
        assert chart.seen.end is not None
        assert chart.seen.end - chart.seen.start < 600
        assert math.isclose(chart._step_at(40), under_it, abs_tol=1)


async def test_another_theme_draws_in_other_colours() -> None:
    async with ChartApp().run_test(size=SIZE) as pilot:
        chart = pilot.app.query_one(LossChart)
        chart.show(data([2.0, 1.0, 1.5]))
        await pilot.pause()
        before = {style for row in chart._styles for style in row}
        pilot.app.theme = "farense-light"
        await pilot.pause()
        after = {style for row in chart._styles for style in row}
        assert not before & after - {""}


async def test_losses_of_which_none_is_finite() -> None:
    async with ChartApp().run_test(size=SIZE) as pilot:
        chart = pilot.app.query_one(LossChart)
        chart.show(data([math.nan, math.nan]))
        await pilot.pause()
        assert "no loss is finite" in text_of(chart)
        chart.show(data([], ((0.0, 3.0), (5.0, math.nan))))
        chart._draw()
        assert "◇" in text_of(chart)


async def test_a_single_step_and_a_loss_that_never_changes() -> None:
    async with ChartApp().run_test(size=SIZE) as pilot:
        chart = pilot.app.query_one(LossChart)
        for values in ([1.0], [2.0] * 40, [0.0] * 40):
            for chart.log_scale in (False, True):
                chart.show(data(values))
                chart._draw()
                assert any("\u2800" < char <= "\u28ff" for char in text_of(chart))
