"""The list of runs: how each is, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.run_folder import RunFolder, check_name, disk_error
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.events import Resize
from textual.geometry import Size
from textual.screen import Screen
from textual.widgets import Input

from farense_tui.engine import readable as f
from farense_tui.engine.runs import clock, supervisor
from farense_tui.engine.runs import folders as runs
from farense_tui.engine.runs.describe import RunSummary
from farense_tui.engine.runs.live_list import Listing
from farense_tui.engine.runs.supervisor import Control
from farense_tui.ui.calm import CalmStatic
from farense_tui.ui.common.dialogs import Answer, AskDialog, NameDialog, NoteDialog
from farense_tui.ui.common.key_footer import KeyFooter
from farense_tui.ui.messages import Asked, RunsRead
from farense_tui.ui.monitor.post_mortem import PostMortemScreen
from farense_tui.ui.monitor.stop import YES, StopDialog, lateness, patience
from farense_tui.ui.navigator import navigator
from farense_tui.ui.runs.detail import detail
from farense_tui.ui.runs.order import ORDERS, arranged
from farense_tui.ui.runs.preview import RunPreview
from farense_tui.ui.runs.run_table import RunTable

_REFRESH = 2.0
_BESIDE, _BELOW = 150, 30  # columns and rows from which on there is room for a preview
_LEAST_BELOW = 18  # rows beside those of a few runs that are enough for a small one


class RunsScreen(Screen[None]):
    """Follows the runs folder; what a key does, it does to the run under the cursor."""

    HELP_TITLE = _("Runs")
    AUTO_FOCUS = "RunTable"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "resume", _("Resume")),
        Binding("s", "stop", _("Stop"), tooltip=_("Finish the step, save, end; it asks first")),
        Binding("s", "serve", _("Serve"), tooltip=_("At an OpenAI-compatible address")),
        Binding(
            "a", "ask", _("Ask"), tooltip=_("Ask the marked runs' adapters, and the base model")
        ),
        Binding("space", "mark", _("Mark"), tooltip=_("Mark the run for a comparison, or not")),
        Binding("c", "compare", _("Compare"), tooltip=_("The marked runs in one chart")),
        Binding("d", "delete", _("Delete")),
        Binding(
            "p", "post_mortem", _("What happened"), show=False, tooltip=_("To a run that ended")
        ),
        Binding("m", "rename", _("Rename"), show=False),
        Binding("n", "note", _("Note"), show=False, tooltip=_("A line to remember it by")),
        Binding(
            "slash",
            "filter",
            _("Filter"),
            show=False,
            key_display="/",
            tooltip=_("Words in name, state, model, data or note"),
        ),
        Binding(
            "o",
            "order",
            _("Order"),
            show=False,
            tooltip=_("Newest, best validation, last written, by name"),
        ),
        Binding("escape,l", "back", _("Back")),
    ]
    DEFAULT_CSS = """
    RunsScreen {
        #filter { display: none; height: 1; border: none; padding: 0 2; margin-bottom: 1; }
        #filter.-there { display: block; }
        #list { height: 1fr; }
        RunTable { height: 1fr; }
        RunPreview { display: none; }
        &.-below RunTable { height: auto; max-height: 55%; }
        &.-below RunPreview { display: block; height: 1fr; margin-top: 1; }
        &.-beside #list { layout: horizontal; }
        &.-beside RunTable { width: 1fr; }
        &.-beside RunPreview { display: block; width: 42%; height: 100%; }
        RunPreview.-empty { visibility: hidden; }
    }
    """

    def __init__(self, runs_dir: Path) -> None:
        """List the runs in `runs_dir`."""
        super().__init__()
        self._runs_dir = runs_dir
        self._listing = Listing(runs_dir)
        self._summaries: dict[str, RunSummary] = {}
        self._looking = False
        self._unreadable = ""  # why the folder cannot be listed
        self._order = next(iter(ORDERS))
        self._possible: object = None  # what decides which keys can do something
        self._stops: dict[Path, float] = {}  # when each was asked to stop here

    def compose(self) -> ComposeResult:
        """Where the runs are, the table, a word on the one under the cursor, keys."""
        yield CalmStatic(
            _("runs in {folder}").format(folder=self._runs_dir), id="runs-dir", markup=False
        )
        yield Input(placeholder=_("words to look for"), id="filter", compact=True)
        with Container(id="list"):
            yield RunTable()
            yield RunPreview()
        yield CalmStatic(_("reading the runs …"), id="run-detail", markup=False)
        yield KeyFooter()

    def on_mount(self) -> None:
        """Look now, and every other second."""
        self._look()
        self.set_interval(_REFRESH, self._look)

    def on_resize(self, event: Resize) -> None:
        """Show the run under the cursor beside the list, or below it, where there is room."""
        self._make_room(event.size)
        self.call_after_refresh(self._show_detail)

    def _make_room(self, size: Size) -> None:
        beside = size.width >= _BESIDE
        below = size.height >= _BELOW or size.height - len(self._summaries) >= _LEAST_BELOW
        self.set_class(beside, "-beside")
        self.set_class(not beside and below, "-below")

    def _look(self) -> None:
        if not self._looking:  # a look at many long records may take longer than the interval
            self._looking = True
            self._read()

    @work(thread=True, group="look")
    def _read(self) -> None:
        try:
            found = list(self._listing.summaries())
            self.post_message(RunsRead(found, runs.wrong(self._runs_dir)))
        except BaseException:  # told by the app; the next look may go well
            self._looking = False
            raise

    def on_runs_read(self, message: RunsRead) -> None:
        self._looking = False
        self._unreadable = message.wrong
        self._summaries = {str(summary.folder.path): summary for summary in message.summaries}
        self._show_runs()

    def _show_runs(self) -> None:
        """Show the runs that are wanted, in the order that is."""
        wanted = self.query_one("#filter", Input).value
        shown = arranged(self._summaries.values(), self._order, wanted)
        self.query_one(RunTable).show(shown)
        told = [_("runs in {folder}").format(folder=self._runs_dir)]
        if wanted:
            told.append(_("{n} of {total}").format(n=len(shown), total=len(self._summaries)))
        if self._order != next(iter(ORDERS)):
            told.append(self._order)
        self.query_one("#runs-dir", CalmStatic).update(" · ".join(told))
        self._make_room(self.size)
        self._show_detail()

    def action_filter(self) -> None:
        """Type words that the runs shown have."""
        field = self.query_one("#filter", Input)
        field.add_class("-there")
        field.focus()

    def on_input_changed(self) -> None:
        self._show_runs()

    def on_input_submitted(self) -> None:
        self.query_one(RunTable).focus()

    def action_order(self) -> None:
        known = list(ORDERS)
        self._order = known[(known.index(self._order) + 1) % len(known)]
        self._show_runs()

    @property
    def current(self) -> RunSummary | None:
        """The run under the cursor."""
        return self._summaries.get(self.query_one(RunTable).current or "")

    def on_data_table_row_highlighted(self) -> None:
        self._show_detail()

    def _show_detail(self) -> None:
        summary = self.current
        empty = Content(
            _("No run has these words. Escape shows all again.")
            if self._summaries
            else self._unreadable or _("No runs yet. Escape goes back, s starts one.")
        )
        self.query_one("#run-detail", CalmStatic).update(detail(summary) if summary else empty)
        above = self._summaries.get(self.query_one(RunTable).above or "")
        self.query_one(RunPreview).show(summary, above)
        possible = (summary and summary.status, summary and summary.resumable)
        if possible != self._possible:  # the footer makes all its keys anew
            self._possible = possible
            self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey out what cannot be done with the run under the cursor."""
        possible_for = ("resume", "stop", "serve", "delete", "rename", "post_mortem")
        if action not in possible_for or not self.is_mounted:
            return True
        summary = self.current
        if summary is None:
            return False
        alive = summary.status in ("running", "paused", "stopping")
        if action in ("stop", "serve"):  # one key for the two
            return alive == (action == "stop")
        possible = {"resume": summary.resumable}
        return True if possible.get(action, not alive) else None

    def on_data_table_row_selected(self) -> None:
        if self.current:
            navigator(self).open_run(self.current.folder)

    def action_back(self) -> None:
        """Show all runs again, or go back to the screen below."""
        field = self.query_one("#filter", Input)
        if field.has_class("-there"):
            field.remove_class("-there")
            field.value = ""
            self.query_one(RunTable).focus()
        else:
            self.dismiss()

    def action_mark(self) -> None:
        """Mark the run under the cursor for a comparison, or take its mark back."""
        self.query_one(RunTable).toggle_mark()

    def _marked_or_current(self) -> list[RunFolder]:
        """The marked runs; without a mark, the one under the cursor."""
        table = self.query_one(RunTable)
        paths = table.marked or [table.current or ""]
        return [self._summaries[path].folder for path in paths if path in self._summaries]

    def action_compare(self) -> None:
        folders = self._marked_or_current()
        if len(folders) < 2:
            self.notify(_("Mark two runs or more with space."), severity="warning", markup=False)
            return
        navigator(self).open_comparison(folders)

    def action_ask(self) -> None:
        """Ask the adapters of the marked runs, or of the one under the cursor."""
        if folders := self._marked_or_current():
            navigator(self).open_ask(folders)

    def action_serve(self) -> None:
        """Put the marked runs, or the one under the cursor, behind an address."""
        if folders := self._marked_or_current():
            navigator(self).open_serve(folders)

    def action_resume(self) -> None:
        """Go on with the run; the monitor opens."""
        if self.current:
            navigator(self).resume_run(self.current.folder)

    @work
    async def action_stop(self) -> None:
        """Finish the step, checkpoint, end, if that is meant; kill only what is late in that."""
        summary = self.current
        if summary is None or not summary.folder.is_alive():
            return
        folder = summary.folder
        late = lateness(self._stops.get(folder.path), summary.state, clock.now())
        if late == 0:
            self.notify(patience(), markup=False)
            return
        dialog = StopDialog(folder, summary.state, late or 0.0)
        if await self.app.push_screen_wait(dialog) == YES:
            self._stops[folder.path] = clock.now()
            self._stop(folder, bool(late))

    @work(thread=True, group="control")
    def _stop(self, folder: RunFolder, kill: bool) -> None:
        try:
            supervisor.ask(folder, None if kill else Control.STOP)
        except FarenseError as error:
            navigator(self).show_error(error)
        else:
            self.post_message(Asked(folder.name))

    def on_asked(self, message: Asked) -> None:
        self.notify(_("finishing the step and saving"), title=message.name, markup=False)

    @work
    async def action_delete(self) -> None:
        """Remove the run with all that it wrote, if that is really meant."""
        summary = self.current
        if summary is None:
            return
        name, seen = summary.folder.name, runs.identity(summary.folder)
        where = f.from_here(str(summary.folder.path))
        text = f"{where}\n" + _("Checkpoints and adapter go with it, for good.")
        title, yes = _("Delete {name}?").format(name=name), _("delete {name}").format(name=name)
        dialog = AskDialog(title, text, [Answer("y", yes)])
        if await self.app.push_screen_wait(dialog) == "y":
            self._delete(summary.folder, seen)

    @work
    async def action_rename(self) -> None:
        summary = self.current
        if summary is None:
            return
        old = summary.folder
        title = _("Rename {name}").format(name=old.name)
        dialog = NameDialog(title, _("Its folder moves with it."), old.name, _name_fault)
        name = await self.app.push_screen_wait(dialog)
        if name and name != old.name:
            self._do(lambda: runs.rename(old, name), old)

    @work
    async def action_note(self) -> None:
        if (summary := self.current) is None:
            return
        folder = summary.folder
        text = await self.app.push_screen_wait(
            NoteDialog(_("A note on {name}").format(name=folder.name), runs.note(folder))
        )
        if text is not None:
            self._do(lambda: runs.write_note(folder, text), None)

    @work
    async def action_post_mortem(self) -> None:
        """Show how the run ended, and do what is chosen there."""
        if (summary := self.current) is None:
            return
        action = await self.app.push_screen_wait(PostMortemScreen(summary.folder))
        if action and action.deed == "resume":
            navigator(self).resume_run(summary.folder)
        elif action:
            navigator(self).open_run(summary.folder, remedy=action)

    @work(thread=True, group="control")
    def _do(self, deed: Callable[[], object], moved: RunFolder | None) -> None:
        """Change something on the disk; a monitor on a run that moved is opened anew."""
        try:
            done = deed()
        except FarenseError as error:
            navigator(self).show_error(error)
        else:
            self.call_later(self._look)
            if isinstance(done, RunFolder) and moved:
                self.call_later(navigator(self).run_moved, moved, done)

    @work(thread=True, group="control")
    def _delete(self, folder: RunFolder, seen: runs.Identity) -> None:
        try:
            runs.delete(folder, seen)
        except FarenseError as error:
            navigator(self).show_error(error)
        except OSError as error:
            navigator(self).show_error(disk_error(error, folder.path))
        self.call_later(self._look)


def _name_fault(name: str) -> str:
    try:
        check_name(name)
    except FarenseError as error:
        return error.hint
    return ""
