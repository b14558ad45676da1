"""The runs as a table that changes only where something has changed."""

from __future__ import annotations

import time
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import DataTable

from farense_tui.engine import format as f
from farense_tui.engine.runs import RunSummary
from farense_tui.widgets.status import shown as shown_status

_COLUMNS = ("run", "state", "step", "loss", "best val.", "written")
_LONGEST_NAME = 24


class RunTable(DataTable[Content]):
    """One row a run, the newest on top."""

    HELP_TITLE = "List"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Open"),
        Binding("up", "cursor_up", "Run above", show=False),
        Binding("down", "cursor_down", "Run below", show=False),
    ]

    def __init__(self) -> None:
        """Make an empty table."""
        super().__init__(cursor_type="row", zebra_stripes=False)
        self._shown: dict[str, tuple[Content, ...]] = {}

    def on_mount(self) -> None:
        """Make the columns."""
        for column in _COLUMNS:
            self.add_column(column, key=column)

    @property
    def current(self) -> str | None:
        """Key of the run under the cursor: its folder."""
        if not self.row_count:
            return None
        return self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value

    def show(self, summaries: list[RunSummary]) -> None:
        """Bring the table into line with the runs there are."""
        now = time.time()
        cells = {str(s.folder.path): _cells(s, now) for s in sorted(summaries, key=_newest_first)}
        if list(cells) != list(self._shown):
            self._fill(cells)
        for key, row in cells.items():
            for column, new, old in zip(_COLUMNS, row, self._shown[key], strict=True):
                if new != old:
                    self.update_cell(key, column, new, update_width=True)
        self._shown = cells

    def _fill(self, cells: dict[str, tuple[Content, ...]]) -> None:
        """Lay all rows out anew, with the cursor on the run that it was on."""
        current = self.current
        self.clear()
        for key, row in cells.items():
            self.add_row(*row, key=key)
        self._shown = cells
        if current in cells:
            self.move_cursor(row=list(cells).index(current), animate=False)


def _newest_first(summary: RunSummary) -> tuple[float, str]:
    created = summary.config.run.created if summary.config else summary.state.first_time
    return (-created, summary.folder.name)


def _cells(summary: RunSummary, now: float) -> tuple[Content, ...]:
    state = summary.state
    name = summary.folder.name
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 1]}…"
    step = f"{state.step}/{state.total_steps}" if state.total_steps else f.UNKNOWN
    best = f.loss(state.best.loss if state.best else None)
    when = f.ago(state.last_time, now) if state.last_time else f.UNKNOWN
    return (
        Content.styled(name, "bold"),
        shown_status(summary.status),
        Content(step),
        Content(f.loss(state.loss.last)),
        Content(best),
        Content.styled(when, "$text-muted"),
    )
