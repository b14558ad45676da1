"""The loss over the steps: every step faint, a median as a line, and the validations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import ClassVar

from textual import events
from textual.reactive import var

from farense_tui.engine.series import Column, Series
from farense_tui.engine.state import RunState
from farense_tui.widgets import chart_scale as scale
from farense_tui.widgets.braille import BrailleCanvas
from farense_tui.widgets.chart_scale import Axis, Window
from farense_tui.widgets.smooth import smoothed, window_for
from farense_tui.widgets.throttle import Throttle
from worker.protocol.events import number

_LEFT = 7  # cells for the labels of the values
_WHEEL = 0.8
_NOTHING = "the loss comes with the first step"


@dataclass(frozen=True, eq=False)
class LossData:
    """What of a run the chart shows."""

    loss: Series
    validations: tuple[tuple[float, float], ...]
    best: tuple[float, float] | None
    boundaries: tuple[int, ...]
    total_steps: int
    ended: bool

    @classmethod
    def of(cls, state: RunState) -> LossData:
        """Take it from the state of a run."""
        best = state.best
        return cls(
            loss=state.loss,
            validations=tuple((v.step, number(v.loss)) for v in state.validations),
            best=(best.step, number(best.loss)) if best else None,
            boundaries=tuple(s.resumed_from_step for s in state.segments if s.resumed_from_step),
            total_steps=state.total_steps,
            ended=state.ended,
        )


@dataclass(frozen=True)
class Plot:
    """One drawing: the cells that it has and the axes over them."""

    width: int
    height: int
    steps: Axis
    values: Axis

    def x(self, step: float) -> float:
        """Cell of a step; a whole number is the left edge of one."""
        return _LEFT + self.steps.share(step) * (self.width - 0.51)

    def y(self, value: float) -> float:
        """Cell of a value; row 0 is the legend's."""
        return 1 + (1 - self.values.share(value)) * (self.height - 0.26)


class LossChart(BrailleCanvas):
    """Draws a run's loss; `+` and `-` zoom, the arrows pan, the wheel zooms at the pointer."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "chart--raw",
        "chart--line",
        "chart--validation",
        "chart--best",
        "chart--label",
        "chart--grid",
        "chart--bad",
    }

    DEFAULT_CSS = """
    LossChart {
        height: 1fr;
        min-height: 4;
    }
    LossChart > .chart--raw { color: $secondary; }
    LossChart > .chart--line { color: $accent; text-style: bold; }
    LossChart > .chart--validation { color: $success; text-style: bold; }
    LossChart > .chart--best { color: $success; text-style: bold; }
    LossChart > .chart--label { color: $text-muted; }
    LossChart > .chart--grid { color: $foreground 15%; }
    LossChart > .chart--bad { color: $error; text-style: bold; }
    """

    ALLOW_SELECT = False

    log_scale: var[bool] = var(False)
    seen: var[Window | None] = var(None)

    def __init__(self, *, id: str | None = None) -> None:
        """Start without data."""
        super().__init__(id=id)
        self._data: LossData | None = None
        self._throttle = Throttle(self, self._draw)

    def show(self, data: LossData) -> None:
        """Show `data` soon."""
        self._data = data
        self._throttle.request()

    def watch_log_scale(self) -> None:
        """Draw on the other scale."""
        self._draw()

    def watch_seen(self) -> None:
        """Draw what is to be seen now."""
        self._draw()

    def zoom(self, factor: float, at: float | None = None) -> None:
        """See `factor` times as many steps."""
        self.seen = scale.zoomed(self.seen, self._whole, factor, at)

    def pan(self, by: float) -> None:
        """Move by a share of what is seen."""
        self.seen = scale.panned(self.seen, self._whole, by)

    def notify_style_update(self) -> None:
        """Draw in the colours of another theme."""
        super().notify_style_update()
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        """Take the new size."""
        self.reset(size=event.size)
        self._draw()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom in at the pointer."""
        event.stop()
        self.zoom(_WHEEL, self._step_at(event.x))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out at the pointer."""
        event.stop()
        self.zoom(1 / _WHEEL, self._step_at(event.x))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Pan with a button held."""
        if event.button:
            self.pan(-event.delta_x / max(1, self.size.width - _LEFT))

    @property
    def _whole(self) -> float:
        data = self._data
        last = data.loss.last_step if data else None
        return scale.reach(last or 0.0, data.total_steps, data.ended) if data else 1.0

    def _step_at(self, x: int) -> float:
        start, end = self._range()
        return start + (end - start) * (x - _LEFT) / max(1, self.size.width - _LEFT)

    def _range(self) -> tuple[float, float]:
        if self.seen is None:
            return 0.0, self._whole
        return self.seen.start, self._whole if self.seen.end is None else self.seen.end

    def _draw(self) -> None:
        if not self.is_mounted or self._canvas_size.width < _LEFT + 4:
            return
        with self.batch_refresh():
            self.reset(refresh=False)
            if self._data:
                self._draw_data(self._data)

    def _draw_data(self, data: LossData) -> None:
        start, end = self._range()
        width, height = self._canvas_size
        width, height = width - _LEFT, height - 2
        known = (data.loss.last_step or 0.0) - start
        dots = int(max(1.0, width * 2 * min(1.0, known / (end - start))))
        columns = data.loss.columns(dots, start, end)
        marks = [mark for mark in data.validations if start <= mark[0] <= end]
        window = window_for(sum(column.points for column in columns))
        self._draw_legend(window if columns else 0, marks, data)
        if not columns and not marks:
            self._draw_nothing()
            return
        axis = _value_axis(columns, marks, self.log_scale)
        plot = Plot(width, height, Axis(start, end), axis)
        self._draw_grid(plot, data)
        self._draw_lines(plot, columns, window)
        self._draw_marks(plot, marks, data, start, end)

    def _draw_nothing(self) -> None:
        width, height = self._canvas_size
        self.text(max(0, (width - len(_NOTHING)) // 2), height // 2, _NOTHING, self._ink("label"))

    def _ink(self, name: str) -> str:
        return str(self.get_component_rich_style(f"chart--{name}"))

    def _draw_legend(self, window: int, marks: Sequence[object], data: LossData) -> None:
        title = "loss, log scale" if self.log_scale else "loss"
        title += "" if self.seen is None else ", zoomed (0 shows all)"
        entries = [("", title, "label")]
        if window > 1:
            entries += [("⠶", "each step", "raw"), ("━", f"median of {window}", "line")]
        if marks:
            entries.append(("◇", "validation", "validation"))
        if data.best:
            entries.append(("◆", "best", "best"))
        if data.boundaries:
            entries.append(("┊", "resumed", "label"))
        at = 1
        for sign, label, ink in entries:
            if at + len(sign) + 1 + len(label) > self._canvas_size.width:
                break
            if sign:
                self.text(at, 0, sign, self._ink(ink))
                at += 2
            self.text(at, 0, label, self._ink("label"))
            at += len(label) + 3

    def _draw_grid(self, plot: Plot, data: LossData) -> None:
        grid, ink = self._ink("grid"), self._ink("label")
        ticks = plot.values.ticks(max(3, plot.height // 2))
        for tick, label in zip(ticks, scale.labels(ticks), strict=True):
            y = int(plot.y(tick))
            self.text(_LEFT - 1 - len(label), y, label, ink)
            self.text(_LEFT, y, "┈" * plot.width, grid)
        for step in data.boundaries:
            if plot.steps.low < step < plot.steps.high:
                for y in range(1, plot.height + 1):
                    self.set_pixel(int(plot.x(step)), y, "┊", ink)
        self._draw_steps(plot, ink)

    def _draw_steps(self, plot: Plot, ink: str) -> None:
        ticks = [tick for tick in plot.steps.ticks(max(2, plot.width // 12)) if tick % 1 == 0]
        free = 0
        for tick, label in zip(ticks, scale.labels(ticks), strict=True):
            label = f"step {label}" if tick == ticks[0] else label
            at = int(plot.x(tick)) - (0 if tick == ticks[0] else len(label) // 2)
            at = min(at, _LEFT + plot.width - len(label))
            if at >= free:
                self.text(at, plot.height + 1, label, ink)
                free = at + len(label) + 1

    def _draw_lines(self, plot: Plot, columns: Sequence[Column], window: int) -> None:
        raw = [
            (plot.x(column.step), plot.y(value))
            for column in columns
            for value in ((column.low, column.high) if column.points > 1 else (column.last,))
        ]
        self.line_through(raw, self._ink("raw"))
        if window > 1:
            mean = [(plot.x(step), plot.y(value)) for step, value in smoothed(columns, window)]
            self.line_through(mean, self._ink("line"))

    def _draw_marks(
        self,
        plot: Plot,
        marks: Sequence[tuple[float, float]],
        data: LossData,
        start: float,
        end: float,
    ) -> None:
        for step, value in marks:
            if value == value:
                best = data.best is not None and step == data.best[0]
                sign, ink = ("◆", "best") if best else ("◇", "validation")
                self.set_pixel(int(plot.x(step)), int(plot.y(value)), sign, self._ink(ink))
        for step in data.loss.not_finite(start, end):
            self.set_pixel(int(plot.x(step)), 1, "✗", self._ink("bad"))


def _value_axis(columns: Sequence[Column], marks: Sequence[tuple[float, float]], log: bool) -> Axis:
    seen = [value for _, value in marks if value == value]
    low = min([c.low for c in columns] + seen, default=inf)
    high = max([c.high for c in columns] + seen, default=-inf)
    return scale.value_axis(low, high, log)
