"""The loss over the steps: every step faint, a median as a line, and the validations."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.reactive import var

from farense_tui.widgets import chart_scale as scale
from farense_tui.widgets.braille import BrailleCanvas
from farense_tui.widgets.chart_scale import Window
from farense_tui.widgets.loss_picture import LEFT, LossData, LossPicture
from farense_tui.widgets.throttle import Throttle

_WHEEL = 0.8


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
            self.pan(-event.delta_x / max(1, self.size.width - LEFT))

    @property
    def _whole(self) -> float:
        data = self._data
        last = data.loss.last_step if data else None
        return scale.reach(last or 0.0, data.total_steps, data.ended) if data else 1.0

    def _step_at(self, x: int) -> float:
        start, end = self._range()
        return start + (end - start) * (x - LEFT) / max(1, self.size.width - LEFT)

    def _range(self) -> tuple[float, float]:
        if self.seen is None:
            return 0.0, self._whole
        return self.seen.start, self._whole if self.seen.end is None else self.seen.end

    def _draw(self) -> None:
        if not self.is_mounted or self._canvas_size.width < LEFT + 4:
            return
        with self.batch_refresh():
            self.reset(refresh=False)
            if self._data:
                picture = LossPicture(self, self._ink, self._data, self.log_scale)
                picture.draw(*self._range(), zoomed=self.seen is not None)

    def _ink(self, name: str) -> str:
        return str(self.get_component_rich_style(f"chart--{name}"))
