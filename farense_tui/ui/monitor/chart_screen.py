"""What the screens with a large chart have in common: its keys."""

from __future__ import annotations

from typing import ClassVar

from farense_worker.protocol.language import gettext as _
from textual.binding import Binding, BindingType
from textual.reactive import reactive
from textual.screen import Screen

from farense_tui.ui.charts.chart import Chart
from farense_tui.ui.charts.chart_data import SUBJECTS


class ChartScreen(Screen[None]):
    """Zoom, pan, crosshair, scale, and what the chart shows."""

    SUBJECTS: ClassVar[tuple[str, ...]] = SUBJECTS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "v", "subject(1)", _("Next chart"), show=False, tooltip=_("Loss, rate, speed and so on")
        ),
        Binding("V", "subject(-1)", _("Chart before"), show=False),
        Binding(
            "x", "crosshair", _("Crosshair"), show=False, tooltip=_("Read out a step; ← → move it")
        ),
        Binding("f", "large", _("Large chart"), show=False, tooltip=_("The chart alone, and back")),
        Binding("g", "log_scale", _("Logarithmic scale"), show=False),
        Binding("plus,equals_sign", "zoom(0.6)", _("Zoom in"), show=False),
        Binding("minus", "zoom(1.6)", _("Zoom out"), show=False),
        Binding("0", "zoom_all", _("Show all steps"), show=False),
        Binding("left", "across(-1)", _("Earlier steps"), show=False),
        Binding("right", "across(1)", _("Later steps"), show=False),
    ]

    subject: reactive[str] = reactive(SUBJECTS[0])
    large: reactive[bool] = reactive(False, toggle_class="-large")

    @property
    def chart(self) -> Chart:
        return self.query_one(Chart)

    def watch_subject(self) -> None:
        self.show_chart()

    def show_chart(self) -> None:
        """Hand the chart what it shows. Each screen has its own."""
        raise NotImplementedError

    def action_subject(self, by: int) -> None:
        """Show the next chart, or the one before."""
        known = self.SUBJECTS
        self.subject = known[(known.index(self.subject) + by) % len(known)]

    def action_crosshair(self) -> None:
        self.chart.toggle_cursor()

    def action_large(self) -> None:
        """Leave the whole screen to the chart, or not."""
        self.large = not self.large

    def action_log_scale(self) -> None:
        """Change between linear and logarithmic."""
        self.chart.log_scale = not self.chart.log_scale

    def action_zoom(self, factor: float) -> None:
        """See fewer steps or more."""
        self.chart.zoom(factor)

    def action_zoom_all(self) -> None:
        self.chart.seen = None

    def action_across(self, by: int) -> None:
        """Move the crosshair, or see earlier or later steps."""
        if self.chart.cursor is None:
            self.chart.pan(by / 4)
        else:
            self.chart.step_cursor(by)
