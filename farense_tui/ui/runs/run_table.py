"""The runs as a table that changes only where something has changed."""

from __future__ import annotations

from typing import Any, ClassVar

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import pgettext
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Resize
from textual.widgets import DataTable
from textual.widgets.data_table import ColumnKey

from farense_tui.engine import readable as f
from farense_tui.engine.record.state import RunState
from farense_tui.engine.runs import clock
from farense_tui.engine.runs.describe import RunSummary
from farense_tui.ui.charts.slim_bar import slim_bar
from farense_tui.ui.charts.spark import course, spark_rows
from farense_tui.ui.common.status import shown as shown_status

_HEADS = {
    "run": pgettext("column", "run"),
    "state": pgettext("column", "state"),
    "step": pgettext("column", "step"),
    "curve": pgettext("column", "curve"),
    "loss": pgettext("column", "loss"),
    "best": pgettext("column", "best val."),
    "written": pgettext("column", "written"),
}
# Widths of their own, because a table cannot measure Content; the name takes what is left.
_COLUMNS = {
    "run": 0, "state": 12, "step": 9, "curve": 6, "loss": 7, "best": 9, "written": 10,
}  # fmt: skip
_NAME_WIDTHS = (10, 48)
_WIDE, _WIDE_COLUMNS = 104, {"step": 20, "curve": 16}  # with a bar before the step
_BAR = 10


class RunTable(DataTable[Content]):
    """One row a run, in the order that they are given in."""

    HELP_TITLE = _("List")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", _("Open")),
        Binding("up", "cursor_up", _("Run above"), show=False),
        Binding("down", "cursor_down", _("Run below"), show=False),
    ]

    def __init__(self) -> None:
        super().__init__(cursor_type="row", cursor_foreground_priority="renderable")
        self._shown: dict[str, tuple[Content, ...]] = {}
        self._summaries: list[RunSummary] = []
        self._made: dict[str, tuple[tuple[Any, ...], tuple[Content, ...]]] = {}
        self._marks: list[str] = []
        self._name_width = _NAME_WIDTHS[0]
        self._wide = False

    def on_mount(self) -> None:
        for column, width in _COLUMNS.items():
            self.add_column(_HEADS[column], key=column, width=width or _NAME_WIDTHS[0])

    def on_resize(self, event: Resize) -> None:
        """Give the names the width that the other columns leave."""
        self._wide = event.size.width >= _WIDE
        widths = {**_COLUMNS, **(_WIDE_COLUMNS if self._wide else {})}
        for column, width in widths.items():
            self.columns[ColumnKey(column)].width = width
        taken = sum(widths.values()) + 2 * self.cell_padding * len(widths) + 1
        low, high = _NAME_WIDTHS
        self._name_width = min(high, max(low, event.size.width - taken))
        self.columns[ColumnKey("run")].width = self._name_width
        self._shown = {}  # laid out anew: else the table takes itself to be as wide as it was
        self.show(self._summaries)
        self.refresh(layout=True)

    @property
    def current(self) -> str | None:
        """Key of the run under the cursor: its folder."""
        if not self.row_count:
            return None
        return self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value

    @property
    def above(self) -> str | None:
        """Key of the run above the one under the cursor."""
        at = self.cursor_row - 1
        return list(self._shown)[at] if 0 <= at < len(self._shown) else None

    @property
    def marked(self) -> list[str]:
        """Keys of the marked runs that are still there, in the order of marking."""
        return [key for key in self._marks if key in self._shown]

    def toggle_mark(self) -> None:
        """Mark the run under the cursor, or not, and go on to the next."""
        key = self.current
        if key is None:
            return
        if key in self._marks:
            self._marks.remove(key)
        else:
            self._marks.append(key)
        self.show(self._summaries)
        self.action_cursor_down()

    def show(self, summaries: list[RunSummary]) -> None:
        self._summaries = summaries
        now = clock.now()
        cells = {str(s.folder.path): self._row(s, now) for s in self._summaries}
        if list(cells) != list(self._shown):
            self._fill(cells)
        for key, row in cells.items():
            for column, new, old in zip(_COLUMNS, row, self._shown[key], strict=True):
                if new != old:
                    self.update_cell(key, column, new)
        self._shown = cells

    def _row(self, summary: RunSummary, now: float) -> tuple[Content, ...]:
        """The cells of a run, made anew only if they would say something else."""
        key, state = str(summary.folder.path), summary.state
        when = f.ago(state.last_time, now) if state.last_time else f.UNKNOWN
        marked = key in self._marks
        made_for = (summary, when, self._name_width, marked, self._wide)
        known = self._made.get(key)
        if known is None or known[0][0] is not summary or known[0][1:] != made_for[1:]:
            row = _cells(summary, when, self._name_width, marked, self._wide)
            known = self._made[key] = (made_for, row)
        return known[1]

    def _fill(self, cells: dict[str, tuple[Content, ...]]) -> None:
        """Lay all rows out anew, with the cursor on the run that it was on."""
        current = self.current
        self.clear()
        for key, row in cells.items():
            self.add_row(*row, key=key)
        self._shown = cells
        if current in cells:
            self.move_cursor(row=list(cells).index(current), animate=False)


def _cells(
    summary: RunSummary, when: str, width: int, marked: bool, wide: bool
) -> tuple[Content, ...]:
    state = summary.state
    best = f.loss(state.best.loss if state.best else None)
    curve = course(state.loss, (_WIDE_COLUMNS if wide else _COLUMNS)["curve"])
    return (
        Content.assemble(
            ("◆ " if marked else "", "$accent"),
            (f.middle_cut(summary.folder.name, width - 2 * marked), "bold"),
        ),
        shown_status(summary.status, state),
        _step(state, wide),
        Content.styled(spark_rows(curve)[0], "$secondary"),
        Content(f.loss(state.loss.last)),
        Content(best),
        Content.styled(when, "$text-muted"),
    )


def _step(state: RunState, wide: bool) -> Content:
    """How far it is; beside a bar where there is room."""
    if not state.total_steps:
        return Content(f.UNKNOWN)
    text = f"{state.step}/{state.total_steps}"
    bar = slim_bar(state.step / state.total_steps, _BAR)
    return Content.assemble(bar, " ", text) if wide else Content(text)
