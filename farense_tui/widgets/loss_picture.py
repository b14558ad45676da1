"""How the loss of a run is drawn on a canvas: grid, every step, a median over them, marks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite

from farense_tui.engine.series import Column, Series
from farense_tui.engine.state import RunState
from farense_tui.widgets import chart_scale as scale
from farense_tui.widgets.braille import BrailleCanvas
from farense_tui.widgets.chart_scale import Axis
from farense_tui.widgets.smooth import smoothed, window_for
from worker.protocol.events import number

LEFT = 7  # cells for the labels of the values
_NOTHING = "the loss comes with the first step"
_NOT_FINITE = "no loss is finite"

Mark = tuple[float, float]


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
        return LEFT + self.steps.share(step) * (self.width - 0.51)

    def y(self, value: float) -> float:
        """Cell of a value; row 0 is the legend's."""
        return 1 + (1 - self.values.share(value)) * (self.height - 0.26)


class LossPicture:
    """Draws once. Row 0 is the legend's, the last row has the steps."""

    def __init__(
        self, canvas: BrailleCanvas, ink: Callable[[str], str], data: LossData, log: bool
    ) -> None:
        """Draw `data` on `canvas`, with the styles that `ink` gives."""
        self._canvas = canvas
        self._ink = ink
        self._data = data
        self._log = log
        width, height = canvas.size
        self._width, self._height = width - LEFT, height - 2

    def draw(self, start: float, end: float, zoomed: bool) -> None:
        """Draw the steps from `start` to `end`."""
        data = self._data
        known = (data.loss.last_step or 0.0) - start
        dots = int(max(1.0, self._width * 2 * min(1.0, known / (end - start))))
        columns = data.loss.columns(dots, start, end)
        marks = [m for m in data.validations if start <= m[0] <= end and isfinite(m[1])]
        window = window_for(sum(column.points for column in columns))
        self._draw_legend(window if columns else 0, bool(marks), zoomed)
        if not columns and not marks:
            self._say(_NOT_FINITE if len(data.loss) else _NOTHING)
            return
        plot = Plot(self._width, self._height, Axis(start, end), _values(columns, marks, self._log))
        self._draw_grid(plot)
        self._draw_lines(plot, columns, window)
        self._draw_marks(plot, marks)

    def _say(self, text: str) -> None:
        left = max(0, (self._width + LEFT - len(text)) // 2)
        self._canvas.text(left, 1 + self._height // 2, text, self._ink("label"))

    def _draw_legend(self, window: int, marks: bool, zoomed: bool) -> None:
        title = "loss, log scale" if self._log else "loss"
        title += ", zoomed (0 shows all)" if zoomed else ""
        entries = [("", title, "label")]
        if window > 1:
            entries += [("⠶", "each step", "raw"), ("━", f"median of {window}", "line")]
        if marks:
            entries.append(("◇", "validation", "validation"))
        if self._data.best:
            entries.append(("◆", "best", "best"))
        if self._data.boundaries:
            entries.append(("┊", "resumed", "label"))
        at = 1
        for sign, label, ink in entries:
            if at + len(sign) + 1 + len(label) > self._width + LEFT:
                break
            if sign:
                self._canvas.text(at, 0, sign, self._ink(ink))
                at += 2
            self._canvas.text(at, 0, label, self._ink("label"))
            at += len(label) + 3

    def _draw_grid(self, plot: Plot) -> None:
        grid, ink = self._ink("grid"), self._ink("label")
        ticks = plot.values.ticks(max(3, plot.height // 2))
        for tick, label in zip(ticks, scale.labels(ticks), strict=True):
            y = int(plot.y(tick))
            self._canvas.text(LEFT - 1 - len(label), y, label, ink)
            self._canvas.text(LEFT, y, "┈" * plot.width, grid)
        for step in self._data.boundaries:
            if plot.steps.low < step < plot.steps.high:
                for y in range(1, plot.height + 1):
                    self._canvas.set_pixel(int(plot.x(step)), y, "┊", ink)
        self._draw_steps(plot, ink)

    def _draw_steps(self, plot: Plot, ink: str) -> None:
        ticks = [tick for tick in plot.steps.ticks(max(2, plot.width // 12)) if tick % 1 == 0]
        free = 0
        for tick, label in zip(ticks, scale.labels(ticks), strict=True):
            label = f"step {label}" if tick == ticks[0] else label
            at = int(plot.x(tick)) - (0 if tick == ticks[0] else len(label) // 2)
            at = min(at, LEFT + plot.width - len(label))
            if at >= free:
                self._canvas.text(at, plot.height + 1, label, ink)
                free = at + len(label) + 1

    def _draw_lines(self, plot: Plot, columns: Sequence[Column], window: int) -> None:
        raw = [
            (plot.x(column.step), plot.y(value))
            for column in columns
            for value in ((column.low, column.high) if column.points > 1 else (column.last,))
        ]
        self._canvas.line_through(raw, self._ink("raw"))
        if window > 1:
            line = [(plot.x(step), plot.y(value)) for step, value in smoothed(columns, window)]
            self._canvas.line_through(line, self._ink("line"))

    def _draw_marks(self, plot: Plot, marks: Sequence[Mark]) -> None:
        best = self._data.best
        for step, value in marks:
            sign, ink = ("◆", "best") if best and step == best[0] else ("◇", "validation")
            self._canvas.set_pixel(int(plot.x(step)), int(plot.y(value)), sign, self._ink(ink))
        for step in self._data.loss.not_finite(plot.steps.low, plot.steps.high):
            self._canvas.set_pixel(int(plot.x(step)), 1, "✗", self._ink("bad"))


def _values(columns: Sequence[Column], marks: Sequence[Mark], log: bool) -> Axis:
    low = min([c.low for c in columns] + [value for _, value in marks], default=inf)
    high = max([c.high for c in columns] + [value for _, value in marks], default=-inf)
    return scale.value_axis(low, high, log)
