"""Several runs in one chart, with what they came to and how their settings differ."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import ClassVar

from farense_worker.protocol import plain_file
from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.run_folder import RunFolder
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.message import Message
from textual.reactive import var

from farense_tui.engine.runs import clock
from farense_tui.engine.runs.watch import Snapshot, Watch
from farense_tui.ui.charts.chart import CURVES, Chart
from farense_tui.ui.charts.chart_data import SUBJECTS, compared
from farense_tui.ui.common.key_footer import KeyFooter
from farense_tui.ui.monitor.chart_screen import ChartScreen
from farense_tui.ui.runs.compare_table import CompareTable

MOST = len(CURVES)  # runs that can be told apart
_PATIENCE = 0.2  # seconds of one look at a long record
_PAUSE = 1.0


class Looked(Message):
    def __init__(self, runs: tuple[Snapshot, ...]) -> None:
        super().__init__()
        self.runs = runs

    def can_replace(self, message: Message) -> bool:
        """Whoever is late needs only the newest."""
        return isinstance(message, Looked)


class CompareScreen(ChartScreen):
    """Follows two to six runs at once."""

    HELP_TITLE = _("Comparison")
    AUTO_FOCUS = ""
    SUBJECTS = SUBJECTS[:-1]  # the memory is over time and not over steps
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll(-1)", _("Scroll the table"), show=False),
        Binding("down", "scroll(1)", _("Scroll the table"), show=False),
        Binding("escape,l", "back", _("Back")),
    ]

    DEFAULT_CSS = """
    CompareScreen {
        padding: 0 1;
        Chart { margin-bottom: 1; }
        #table { height: auto; max-height: 50%; scrollbar-size-vertical: 1; }
        &.-large #table { display: none; }
    }
    """

    runs: var[tuple[Snapshot, ...]] = var((), always_update=True)

    def __init__(self, folders: Sequence[RunFolder]) -> None:
        super().__init__()
        self._folders = tuple(folders)
        self._ended = Event()

    def compose(self) -> ComposeResult:
        """The chart, the table, keys."""
        yield Chart(_("v next chart   x read out   f large"))
        with VerticalScroll(id="table", can_focus=False):
            yield CompareTable()
        yield KeyFooter()

    def on_mount(self) -> None:
        self.title = _("comparison")
        self._follow()

    def on_unmount(self) -> None:
        self._ended.set()

    @work(thread=True, group="follow")
    def _follow(self) -> None:
        watches = [Watch(folder) for folder in self._folders]
        there = set(self._folders)
        while not self._ended.is_set():
            gone = {each for each in there if not plain_file.may_be_there(each.path, stat.S_ISDIR)}
            there -= gone
            for folder in gone:  # what was read of it is still shown
                self._tell_gone(folder.path)
            runs = tuple(watch.look(clock.now(), _PATIENCE) for watch in watches)
            self.post_message(Looked(runs))
            if all(run.read == 1 for run in runs):
                self._ended.wait(_PAUSE)

    def _tell_gone(self, path: Path) -> None:
        said = _("{path} was deleted or moved, or its disk was taken away").format(
            path=clean(str(path))
        )
        self.notify(said, severity="warning", timeout=15, markup=False)

    @on(Looked)
    def _take(self, message: Looked) -> None:
        self.runs = message.runs

    def watch_runs(self) -> None:
        self.show_chart()
        if self.runs:
            self.query_one(CompareTable).runs = self.runs

    def show_chart(self) -> None:
        """Overlay the runs."""
        if self.runs:
            named = [(run.folder.name, run.state) for run in self.runs]
            self.chart.show(compared(named, self.subject, CURVES))

    def picture_stem(self) -> Path:
        """Beside the runs, as it is of none of them alone."""
        return self._folders[0].path.parent / "comparison"

    def action_back(self) -> None:
        if not self.back_to_all():
            self.dismiss()

    def action_scroll(self, by: int) -> None:
        self.query_one("#table").scroll_relative(y=by, animate=False)
