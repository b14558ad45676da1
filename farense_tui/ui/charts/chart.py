"""A chart over the steps of a run, or over its time, that can be zoomed, panned and read out."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.reactive import var

from farense_tui.ui.charts import chart_scale as scale
from farense_tui.ui.charts.braille import BrailleCanvas
from farense_tui.ui.charts.chart_data import ChartData
from farense_tui.ui.charts.chart_picture import LEFT, ChartPicture
from farense_tui.ui.charts.chart_scale import Window
from farense_tui.ui.charts.throttle import Throttle

_WHEEL = 0.8
_WHEEL_PANS = 0.1  # of what is seen
_DRAGGED = 2  # cells; less is a click by a hand that trembles
# Told apart also by people who see few colours, and each has a sign of its own (M. Okabe, K. Ito,
# Color Universal Design, 2008). Shades for dark ground; the light theme has darker ones.
_SHADES = {
    "curve-1": ("#e69f00", "#a54500"),
    "curve-2": ("#56b4e9", "#0072b2"),
    "curve-3": ("#2fc79a", "#00694e"),
    "curve-4": ("#e08ac0", "#96307a"),
    "curve-5": ("#f0e442", "#2f2f2f"),
    "curve-6": ("#e07a45", "#7f0000"),
}
CURVES = tuple(_SHADES)
# for str.format with the `prefix` of a rule, and with that for a `light` theme
CURVE_STYLES = "\n".join(
    f"{{prefix}}{name} {{{{ color: {dark}; text-style: bold; }}}}\n"
    f"{{light}}{name} {{{{ color: {light}; text-style: bold; }}}}"
    for name, (dark, light) in _SHADES.items()
)
_PARTS = (
    "raw",
    "line",
    "validation",
    "best",
    "label",
    "grid",
    "bad",
    "cursor",
    "reading",
    "hint",
    *CURVES,
)


class Chart(BrailleCanvas):
    """Draws what it is shown.

    Pointing reads out and a click keeps the reading; dragging zooms into what is dragged over and
    a double click shows all; the wheel zooms at the pointer, sideways (or with shift) it pans.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"chart--{part}" for part in (*_PARTS, *CURVES)}

    DEFAULT_CSS = (
        CURVE_STYLES.format(prefix="Chart > .chart--", light="Chart:light > .chart--")
        + """
    Chart {
        height: 1fr;
        min-height: 4;
    }
    Chart > .chart--raw { color: $secondary; }
    Chart > .chart--line { color: $accent; text-style: bold; }
    Chart > .chart--validation { color: $success; text-style: bold; }
    Chart > .chart--best { color: $success; text-style: bold; }
    Chart > .chart--label { color: $text-muted; }
    Chart > .chart--hint { color: $text-disabled; }
    Chart > .chart--grid { color: $foreground 15%; }
    Chart > .chart--bad { color: $error; text-style: bold; }
    Chart > .chart--cursor { color: $foreground 50%; }
    Chart > .chart--reading { color: $foreground; text-style: bold; }
    """
    )

    ALLOW_SELECT = False

    log_scale: var[bool] = var(False)
    seen: var[Window | None] = var(None)
    cursor: var[float | None] = var(None)
    dragged: var[tuple[float, float] | None] = var(None)  # over these steps, a button is held

    def __init__(self, hint: str = "", *, id: str | None = None) -> None:
        """Start without data; `hint` stands beside the legend where there is room."""
        super().__init__(id=id)
        self._hint = hint
        self._data: ChartData | None = None
        self._pressed: float | None = None
        self._kept = False  # the crosshair stays where it was clicked
        self._cut = False  # outliers lie beyond the axis as it is drawn now
        self._throttle = Throttle(self, self._draw)

    def show(self, data: ChartData, *, other: bool = False) -> None:
        """Show `data`: soon, or at once if it is of another kind or of an `other` run."""
        other = other or self._data is None or self._data.title != data.title
        if self._data and self._data.by_time != data.by_time:
            self.seen = self.cursor = None
            self._kept = False
        self._data = data
        if other:
            self._cut = False
            self._draw()
        else:
            self._throttle.request()

    def watch_log_scale(self) -> None:
        self._draw()

    def watch_seen(self) -> None:
        self._cut = False
        self._draw()

    def watch_cursor(self) -> None:
        """Draw the crosshair where it is now."""
        self._draw()

    def watch_dragged(self) -> None:
        self._draw()

    def zoom(self, factor: float, at: float | None = None) -> None:
        """See `factor` times as many steps; what is under the crosshair stays there."""
        at = self.cursor if at is None else at
        self.seen = scale.zoomed(self.seen, self._whole, factor, at)

    def pan(self, by: float) -> None:
        """Move by a share of what is seen."""
        self.seen = scale.panned(self.seen, self._whole, by)

    def toggle_cursor(self) -> None:
        """Show the crosshair at the newest step that is seen, or hide it."""
        self._kept = False
        self.cursor = None if self.cursor is not None else self._snapped(self._range()[1])

    def step_cursor(self, cells: int) -> None:
        """Move the crosshair by cells, at least to the next step; what is seen moves along."""
        if self.cursor is None:
            return
        start, end = self._range()
        by = cells * self._cell
        moved = self._snapped(self.cursor + by)
        while moved == self.cursor and abs(by) < self._whole:
            by *= 2
            moved = self._snapped(self.cursor + by)
        self.cursor = moved
        if moved is not None and not start <= moved <= end:
            self.pan(0.5 if cells > 0 else -0.5)

    def notify_style_update(self) -> None:
        """Draw in the colours of another theme, once the parts of the chart have them too."""
        super().notify_style_update()
        self.call_later(self._repaint)

    def on_resize(self, event: events.Resize) -> None:
        self.reset(size=event.size)
        self._draw()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._turn(event, -1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._turn(event, 1)

    def on_mouse_scroll_left(self, event: events.MouseScrollLeft) -> None:
        event.stop()
        self.pan(-_WHEEL_PANS)

    def on_mouse_scroll_right(self, event: events.MouseScrollRight) -> None:
        event.stop()
        self.pan(_WHEEL_PANS)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Begin to drag; where the pointer leaves the chart, it still is the chart's."""
        if event.button == 1 and event.x >= LEFT:
            self._pressed = self._step_at(event.x)
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Mark what is dragged over, else read out what is under the pointer."""
        here = self._step_at(event.x)
        if self._pressed is not None:
            far = abs(here - self._pressed) >= _DRAGGED * self._cell
            self.dragged = (self._pressed, here) if far or self.dragged else None
        elif event.x >= LEFT and not self._kept:
            self.cursor = self._snapped(here)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Zoom into what was dragged over; a click keeps the crosshair, another lets it go."""
        if self._pressed is None:
            return
        self.release_mouse()
        dragged, self.dragged, self._pressed = self.dragged, None, None
        if dragged:
            first, last = sorted(
                dragged
            )  # a cell is seen whole, the last one up to the newest step
            self.seen = scale.between(first, last + self._cell, self._whole)
        else:
            self._kept = not self._kept
            self.cursor = self._snapped(self._step_at(event.x))

    def on_click(self, event: events.Click) -> None:
        """Show all steps at a double click."""
        if event.chain == 2:
            self.seen = None

    def on_leave(self) -> None:
        """The pointer has gone, and the crosshair with it unless a click keeps it."""
        if not self._kept:
            self.cursor = None

    @property
    def read_out(self) -> str:
        """The figures under the crosshair, without one those of the newest step that is seen."""
        at = self._snapped(self._range()[1]) if self.cursor is None else self.cursor
        if self._data is None or at is None:
            return ""
        return "\t".join(f"{label} {value}" for label, value in self._data.read(at))

    def _turn(self, event: events.MouseEvent, by: int) -> None:
        event.stop()
        if event.shift:
            self.pan(by * _WHEEL_PANS)
        else:
            self.zoom(_WHEEL if by < 0 else 1 / _WHEEL, self._step_at(event.x))

    @property
    def _cell(self) -> float:
        """Steps in a cell."""
        start, end = self._range()
        return (end - start) / max(1, self.size.width - LEFT)

    @property
    def _whole(self) -> float:
        return self._data.reach if self._data else 1.0

    def _snapped(self, step: float) -> float | None:
        """The step nearest to this one that there is."""
        data = self._data
        if data is None:
            return None
        longest = max(data.curves, key=lambda curve: curve.series.last_step or 0.0)
        near = longest.series.near(step + data.offset)
        return near[0] - data.offset if near else None

    def _step_at(self, x: int) -> float:
        return self._range()[0] + self._cell * (x - LEFT)

    def _range(self) -> tuple[float, float]:
        if self.seen is None:
            return 0.0, self._whole
        return self.seen.start, self._whole if self.seen.end is None else self.seen.end

    def _repaint(self) -> None:
        self._draw()
        self.refresh()

    def _draw(self) -> None:
        if not self.is_mounted or self.drawn_on.width < LEFT + 4:
            return
        with self.drawn_anew():
            if self._data:
                picture = ChartPicture(
                    self,
                    self._ink,
                    self._data,
                    self.log_scale,
                    self.cursor,
                    self.dragged,
                    self._hint,
                    self._cut,
                )
                self._cut = picture.draw(*self._range(), zoomed=self.seen is not None)

    def _ink(self, name: str) -> str:
        return str(self.get_component_rich_style(f"chart--{name}"))
