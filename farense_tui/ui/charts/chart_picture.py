"""How a chart is drawn on a canvas: grid, every step, a median over them, marks, the crosshair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from math import isfinite
from operator import or_

from farense_worker.protocol.language import gettext as _

from farense_tui.engine.readable import duration
from farense_tui.engine.record.series import Column
from farense_tui.engine.record.setting_changes import CHANGED, RESUMED
from farense_tui.engine.record.smooth import smoothed, window_for
from farense_tui.engine.record.view_range import NOTHING, Range, robust, whole
from farense_tui.ui.charts import chart_scale as scale
from farense_tui.ui.charts.braille import BrailleCanvas
from farense_tui.ui.charts.chart_data import ChartData, Curve, Mark
from farense_tui.ui.charts.chart_scale import Axis

LEFT = 7  # cells for the labels of the values
_NOT_FINITE = _("no value is finite")
_ABOVE, _BELOW = "▲", "▼"
_SIGN_EVERY = 24  # cells between two signs on a line


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
        """Cell of a value, at the edge if it lies beyond; row 0 is the legend's."""
        share = min(1.0, max(0.0, self.values.share(value)))
        return 1 + (1 - share) * (self.height - 0.26)


@dataclass(frozen=True)
class Drawn:
    """A curve in the columns of a drawing, its values converted."""

    curve: Curve
    columns: list[Column]
    marks: list[Mark]
    window: int


class ChartPicture:
    """Draws once. Row 0 is the legend's, the last row has the steps."""

    def __init__(
        self,
        canvas: BrailleCanvas,
        ink: Callable[[str], str],
        data: ChartData,
        log: bool,
        cursor: float | None = None,
        dragged: Mark | None = None,
        hint: str = "",
        cut: bool = False,
    ) -> None:
        """Draw `data` on `canvas`, with the styles that `ink` gives; the crosshair at `cursor`.

        `dragged` are the ends of what the pointer is dragged over; `hint` stands beside the legend
        where there is room. `cut`: outliers were left out when it was last drawn.
        """
        self._canvas = canvas
        self._ink = ink
        self._data = data
        self._log = log
        self._cursor = cursor
        self._dragged = dragged
        self._hint = hint
        self._cut = cut
        width, height = canvas.size
        self._width, self._height = width - LEFT, height - 2

    def draw(self, start: float, end: float, zoomed: bool) -> bool:
        """Draw the steps from `start` to `end`; whether outliers lie beyond the axis."""
        drawn = [self._columns(curve, start, end) for curve in self._data.curves]
        found = reduce(or_, map(self._range, drawn), NOTHING)
        if self._dragged is not None:
            self._draw_dragged(sorted(self._dragged))
        elif self._cursor is None:
            self._draw_legend(drawn, found, zoomed, start, end)
        else:
            self._draw_reading(self._cursor, (end - start) / max(1, self._width))
        if not any(each.columns or each.marks for each in drawn):
            there = any(len(curve.series) for curve in self._data.curves)
            self._say(_NOT_FINITE if there else self._data.empty)
            return False
        values = scale.value_axis(found.low, found.high, self._log)
        plot = Plot(self._width, self._height, Axis(start, end), values)
        self._draw_grid(plot)
        if self._cursor is not None and start <= self._cursor <= end:
            self._draw_crosshair(plot, self._cursor)
        for each in drawn:
            self._join_marks(plot, each)
            self._draw_line(plot, each)
        for each in drawn:
            self._draw_signs(plot, each)
            self._draw_marks(plot, each)
            self._draw_beyond(plot, each, found)
        for step in self._dragged or ():
            if start <= step <= end:
                self._draw_upright(plot, step, "┃", self._ink("reading"))
        for resume in self._data.resumes:
            if resume.sign != RESUMED and plot.steps.low < resume.step < plot.steps.high:
                at = int(plot.x(resume.step))
                self._canvas.set_pixel(at, 1, resume.sign, self._ink("reading"))
        return found.cut

    def _columns(self, curve: Curve, start: float, end: float) -> Drawn:
        offset, convert = self._data.offset, self._data.convert
        known = (curve.series.last_step or 0.0) - offset - start
        dots = int(max(1.0, self._width * 2 * min(1.0, known / (end - start))))
        columns = [
            Column(
                c.step - offset,
                convert(c.low),
                convert(c.high),
                convert(c.last),
                convert(c.mean),
                c.points,
            )
            for c in curve.series.columns(dots, start + offset, end + offset)
        ]
        marks = [
            (at, convert(value))
            for at, value in curve.marks
            if start <= at <= end and isfinite(value)
        ]
        smooth = self._data.smooth and columns
        window = window_for(sum(column.points for column in columns)) if smooth else 0
        return Drawn(curve, columns, marks, window)

    def _range(self, drawn: Drawn) -> Range:
        if self._log or not self._data.cuts_outliers:
            return whole(drawn.columns, [value for _step, value in drawn.marks])
        return robust(drawn.columns, drawn.marks, drawn.window, self._cut)

    def _say(self, text: str) -> None:
        left = max(0, (self._width + LEFT - len(text)) // 2)
        self._canvas.text(left, 1 + self._height // 2, text, self._ink("label"))

    def _draw_legend(
        self, drawn: list[Drawn], found: Range, zoomed: bool, start: float, end: float
    ) -> None:
        title = self._data.title + (_(", log scale") if self._log else "")
        title += _(", zoomed (0 shows all)") if zoomed else ""
        entries = [("", title, "label"), *_beyond(found)]
        if len(drawn) == 1:
            entries += _legend(drawn[0])
        else:
            entries += [(d.curve.sign or "━", d.curve.name, d.curve.ink) for d in drawn]
        entries += self._resumes(sum(_cells(entry) for entry in entries), start, end)
        at = 1
        for sign, label, ink in entries:
            if at + _cells((sign, label, ink)) - 3 > self._width + LEFT:
                break
            if sign:
                self._canvas.text(at, 0, sign, self._ink(ink))
                at += 2
            self._canvas.text(at, 0, label, self._ink("label"))
            at += len(label) + 3
        left = self._width + LEFT - len(self._hint)
        if left > at + 3:
            self._canvas.text(left, 0, self._hint, self._ink("hint"))

    def _resumes(self, taken: int, start: float, end: float) -> list[tuple[str, str, str]]:
        """Explain the marks of resumes that are seen; what was changed, where there is room."""
        seen = [each for each in self._data.resumes if start < each.step < end]
        changed = [each for each in seen if each.changed]
        plain = {each.sign: each.title for each in seen if not each.changed}
        entries = [(sign, title, "label") for sign, title in plain.items()]
        if changed:
            newest = changed[-1]
            told = _("step {step}: {changes}").format(step=newest.step, changes=newest.words)
            entries.append((CHANGED, told, "label"))
            if taken + sum(map(_cells, entries)) > self._width + LEFT:
                entries[-1] = (CHANGED, _("changed"), "label")
        return entries

    def _draw_reading(self, cursor: float, cell: float) -> None:
        """What stands under the crosshair, in the place of the legend. `cell`: steps in one."""
        found = list(self._data.read(cursor))
        for resume in self._data.resumes:
            if abs(resume.step - cursor) <= cell / 2:
                found.insert(2, (resume.sign, resume.words or resume.title))
        at = 1
        for label, value in found:
            if at + len(label) + 1 + len(value) > self._width + LEFT:
                break
            self._canvas.text(at, 0, label, self._ink("label"))
            self._canvas.text(at + len(label) + 1, 0, value, self._ink("reading"))
            at += len(label) + len(value) + 4

    def _draw_dragged(self, ends: list[float]) -> None:
        """Say what letting go will show."""
        if self._data.by_time:
            told = _("{start} to {end}: let go to see it large").format(
                start=duration(max(0.0, ends[0])), end=duration(ends[1])
            )
        else:
            told = _("step {start} to {end}: let go to see it large").format(
                start=f"{max(0.0, ends[0]):.0f}", end=f"{ends[1]:.0f}"
            )
        self._canvas.text(1, 0, told[: self._width + LEFT - 1], self._ink("reading"))

    def _draw_grid(self, plot: Plot) -> None:
        grid, ink = self._ink("grid"), self._ink("label")
        ticks = plot.values.ticks(max(3, plot.height // 2))
        for tick, label in zip(ticks, scale.labels(ticks), strict=True):
            y = int(plot.y(tick))
            self._canvas.text(LEFT - 1 - len(label), y, label, ink)
            self._canvas.text(LEFT, y, "┈" * plot.width, grid)
        for resume in self._data.resumes:
            if plot.steps.low < resume.step < plot.steps.high:
                self._draw_upright(plot, resume.step, RESUMED, ink)
        self._draw_steps(plot, ink)

    def _draw_upright(self, plot: Plot, step: float, sign: str, ink: str) -> None:
        for y in range(1, plot.height + 1):
            self._canvas.set_pixel(int(plot.x(step)), y, sign, ink)

    def _draw_steps(self, plot: Plot, ink: str) -> None:
        most = max(2, plot.width // 12)
        if self._data.by_time:
            ticks = scale.time_ticks(plot.steps.low, plot.steps.high, most)
            texts = [duration(tick) for tick in ticks]
        else:
            ticks = [tick for tick in plot.steps.ticks(most) if tick % 1 == 0]
            texts = scale.labels(ticks)
        free = 0
        for tick, label in zip(ticks, texts, strict=True):
            first = tick == ticks[0] and not self._data.by_time
            label = _("step {step}").format(step=label) if first else label
            at = int(plot.x(tick)) - (0 if tick == ticks[0] else len(label) // 2)
            at = min(at, LEFT + plot.width - len(label))
            if at >= free:
                self._canvas.text(at, plot.height + 1, label, ink)
                free = at + len(label) + 1

    def _draw_line(self, plot: Plot, drawn: Drawn) -> None:
        alone = len(self._data.curves) == 1
        raw = [
            (plot.x(column.step), plot.y(value))
            for column in drawn.columns
            for value in ((column.low, column.high) if column.points > 1 else (column.last,))
        ]
        if alone or not drawn.window:
            self._canvas.line_through(raw, self._ink("raw" if alone else drawn.curve.ink))
        if drawn.window > 1 or (drawn.window and not alone):
            self._canvas.line_through(_course(plot, drawn), self._ink(drawn.curve.ink))

    def _join_marks(self, plot: Plot, drawn: Drawn) -> None:
        """Draw a thin line from validation to validation, below all else; of one curve alone."""
        if len(self._data.curves) == 1 and len(drawn.marks) > 1:
            path = [(plot.x(step), plot.y(value)) for step, value in drawn.marks]
            self._canvas.line_through(path, self._ink("validation"))

    def _draw_signs(self, plot: Plot, drawn: Drawn) -> None:
        """Set the sign of a curve on its line, at other places than those of other curves."""
        curve = drawn.curve
        if not curve.sign:
            return
        number = self._data.curves.index(curve)
        shift = _SIGN_EVERY * number // max(1, len(self._data.curves))
        free = LEFT + 2.0 + shift
        for x, y in _course(plot, drawn):
            if x >= free:
                self._canvas.set_pixel(int(x), int(y), curve.sign, self._ink(curve.ink))
                free = x + _SIGN_EVERY

    def _draw_marks(self, plot: Plot, drawn: Drawn) -> None:
        curve, alone = drawn.curve, len(self._data.curves) == 1
        for step, value in drawn.marks:
            best = curve.best is not None and step == curve.best[0]
            ink = ("best" if best else "validation") if alone else curve.ink
            sign = "◆" if best else "◇"
            self._canvas.set_pixel(int(plot.x(step)), int(plot.y(value)), sign, self._ink(ink))
        low, high = plot.steps.low + self._data.offset, plot.steps.high + self._data.offset
        for step in curve.series.not_finite(low, high):
            at = int(plot.x(step - self._data.offset))
            self._canvas.set_pixel(at, 1, "✗", self._ink("bad"))

    def _draw_beyond(self, plot: Plot, drawn: Drawn, found: Range) -> None:
        """Mark at the edge what lies beyond it."""
        ink = self._ink("reading")
        there = [(c.step, c.low, c.high) for c in drawn.columns]
        for step, low, high in [*there, *((step, value, value) for step, value in drawn.marks)]:
            if high > found.high:
                self._canvas.set_pixel(int(plot.x(step)), 1, _ABOVE, ink)
            if low < found.low:
                self._canvas.set_pixel(int(plot.x(step)), plot.height, _BELOW, ink)

    def _draw_crosshair(self, plot: Plot, cursor: float) -> None:
        ink = self._ink("cursor")
        self._draw_upright(plot, cursor, "│", ink)
        curve = self._data.curves[0]
        near = curve.series.near(cursor + self._data.offset)
        if len(self._data.curves) > 1 or near is None or not isfinite(near[1]):
            return
        y = int(plot.y(self._data.convert(near[1])))
        if 1 <= y <= plot.height:
            self._canvas.text(LEFT, y, "─" * plot.width, ink)
            self._canvas.set_pixel(int(plot.x(cursor)), y, "┼", ink)


def _course(plot: Plot, drawn: Drawn) -> list[Mark]:
    """The smoothed line, in cells."""
    line = smoothed(drawn.columns, drawn.window)
    return [(plot.x(step), plot.y(value)) for step, value in line]


def _cells(entry: tuple[str, str, str]) -> int:
    """Cells of an entry of the legend, with the three that follow it."""
    sign, label, _ink = entry
    return len(label) + 3 + (2 if sign else 0)


def _legend(drawn: Drawn) -> list[tuple[str, str, str]]:
    entries = []
    if drawn.window > 1:
        entries += [
            ("⠶", _("each step"), "raw"),
            ("━", _("median of {n}").format(n=drawn.window), "line"),
        ]
    if drawn.marks:
        entries.append(("◇", _("validation"), "validation"))
    if drawn.curve.best:
        entries.append(("◆", _("best"), "best"))
    return entries


def _beyond(found: Range) -> list[tuple[str, str, str]]:
    """Say how far it goes where the axis does not."""
    entries = []
    if found.most > found.high:
        entries.append((_ABOVE, _("up to {value}").format(value=f"{found.most:.4g}"), "reading"))
    if found.least < found.low:
        entries.append((_BELOW, _("down to {value}").format(value=f"{found.least:.4g}"), "reading"))
    return entries
