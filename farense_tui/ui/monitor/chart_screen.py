"""What the screens with a large chart have in common: its keys."""

from __future__ import annotations

import contextlib
from itertools import count
from pathlib import Path
from typing import ClassVar

from farense_worker.protocol.language import gettext as _
from textual import work
from textual.binding import Binding, BindingType
from textual.reactive import var
from textual.screen import Screen

from farense_tui.ui.charts.chart import Chart
from farense_tui.ui.charts.chart_data import SUBJECTS
from farense_tui.ui.common.picture import svg


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
        Binding("y", "copy", _("Copy figures"), show=False, tooltip=_("Those under the crosshair")),
        Binding(
            "Y", "save_picture", _("Save the picture"), show=False, tooltip=_("The chart as an SVG")
        ),
        Binding("left", "across(-1)", _("Earlier steps"), show=False),
        Binding("right", "across(1)", _("Later steps"), show=False),
    ]

    subject: var[str] = var(SUBJECTS[0])
    large: var[bool] = var(False, toggle_class="-large")

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

    def back_to_all(self) -> bool:
        """Take away what lies over the usual view, the crosshair first; False if nothing does."""
        if self.chart.cursor is not None:
            self.chart.toggle_cursor()
        elif self.large:
            self.large = False
        else:
            return False
        return True

    def action_log_scale(self) -> None:
        """Change between linear and logarithmic."""
        self.chart.log_scale = not self.chart.log_scale

    def action_zoom(self, factor: float) -> None:
        """See fewer steps or more."""
        self.chart.zoom(factor)

    def action_zoom_all(self) -> None:
        self.chart.seen = None

    def action_copy(self) -> None:
        """Copy what is read out, else the newest figures that are seen."""
        if figures := self.chart.read_out:
            self.app.copy_to_clipboard(figures)

    def picture_stem(self) -> Path:
        """Where a picture is kept, and how its name begins. Each screen has its own."""
        raise NotImplementedError

    def action_save_picture(self) -> None:
        """Keep the chart as it is drawn."""
        chart = self.chart
        lines = [chart.render_line(y) for y in range(chart.size.height)]
        self._keep(svg(lines, chart.size, chart.background_colors[1].hex6))

    @work(thread=True, group="picture")
    def _keep(self, drawn: str) -> None:
        stem = self.picture_stem()
        stem.parent.mkdir(exist_ok=True)
        for number in count(1):
            path = stem.with_name(f"{stem.name}-{self.subject.replace(' ', '-')}-{number}.svg")
            with contextlib.suppress(FileExistsError), path.open("x", encoding="utf-8") as file:
                file.write(drawn)
                break
        self.notify(str(path), title=_("The picture of the chart"), markup=False)

    def action_across(self, by: int) -> None:
        """Move the crosshair, or see earlier or later steps."""
        if self.chart.cursor is None:
            self.chart.pan(by / 4)
        else:
            self.chart.step_cursor(by)
