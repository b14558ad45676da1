"""The table under the chart of a comparison: a column for each run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from farense_worker.protocol.language import gettext as _
from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from farense_tui.engine.readable import middle_cut
from farense_tui.engine.runs.comparison import Row, differences, results
from farense_tui.engine.runs.watch import Snapshot
from farense_tui.ui.charts.chart import CURVE_STYLES, CURVES
from farense_tui.ui.charts.chart_data import SIGNS

_LEAST, _MOST = 8, 28


class CompareTable(Widget):
    """Results first, then the settings that are not the same in all."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"table--{name}" for name in CURVES}
    DEFAULT_CSS = f"""
    CompareTable {{ height: auto; }}
    {CURVE_STYLES.format(prefix="CompareTable > .table--", light="CompareTable:light > .table--")}
    """

    runs: reactive[tuple[Snapshot, ...]] = reactive((), layout=True)

    def render(self) -> RenderResult:
        if not self.runs:
            return Content.styled(_("reading the records …"), "$text-muted")
        found, settings = results(self.runs), differences(self.runs)
        longest = max(len(row.label) for row in [*found, *settings])
        label = min(longest + 2, self.size.width // 3)
        width = min(_MOST, max(_LEAST, (self.size.width - label) // len(self.runs)))
        told = _("settings that differ") if settings else _("all settings are the same")
        lines = [self._head(label, width), *(_line(row, label, width) for row in found)]
        lines.append(Content.styled(told, "bold" if settings else "$text-muted"))
        return Content("\n").join([*lines, *(_line(row, label, width) for row in settings)])

    def _head(self, label: int, width: int) -> Content:
        cells = []
        for run, sign, curve in zip(self.runs, SIGNS, CURVES, strict=False):
            ink = self.get_component_styles(f"table--{curve}").color.hex
            name = middle_cut(run.folder.name, width - 3)
            cells.append(_cell(f"{sign} {name}", f"bold {ink}", width))
        return Content.assemble(" " * label, *cells)


def _line(row: Row, label: int, width: int) -> Content:
    return Content.assemble(_cell(row.label, "$text-muted", label), *_cells(row, width))


def _cells(row: Row, width: int) -> Sequence[Content]:
    return [
        _cell(f"{value} ◆" if at == row.best else value, "bold" if at == row.best else "", width)
        for at, value in enumerate(row.values)
    ]


def _cell(text: str, style: str, width: int) -> Content:
    return (
        Content.styled(text, style)
        .truncate(width - 1, ellipsis=True)
        .pad_right(max(0, width - len(text[: width - 1])))
    )
