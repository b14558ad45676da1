"""The app: which screens there are, how one leads to another, and the one road for errors."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from farense_worker.protocol.errors import FarenseError, of_fault, of_system, refused, usage
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import pgettext
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Profile
from textual import work
from textual.binding import Binding, BindingType
from textual.command import CommandPalette
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.worker import WorkerFailed

from farense_tui import compat
from farense_tui.engine.runs import clock, describe, new_run, resuming, supervisor
from farense_tui.engine.runs.supervisor import Worker
from farense_tui.ui import preferences
from farense_tui.ui.common.dialogs import ErrorDialog
from farense_tui.ui.first_start.with_tour import WithTour
from farense_tui.ui.keyboard import LONGEST, take_any_byte
from farense_tui.ui.messages import Refused
from farense_tui.ui.terminal import TerminalGuard
from farense_tui.ui.with_looks import WithLooks
from farense_tui.ui.with_reach import WithReach

_LOOK_FOR_TERMINAL = 2.0
_OFTEN = 10.0  # seconds for twenty of what nobody has foreseen
_KEYS = {"space": pgettext("key", "space")}  # names of keys that Textual gives in English

if TYPE_CHECKING:
    from textual.command import Provider
    from textual.driver import Driver

    from farense_tui.engine.health import Action
    from farense_tui.ui.navigator import Navigator


def _commands() -> type[Provider]:
    """Import the palette's commands when the palette is opened, not before the first paint."""
    from farense_tui.ui.commands import FarenseCommands

    return FarenseCommands


class FarenseApp(WithTour, WithLooks, WithReach):
    """Composition root. Below the dialogs and the list of runs stands one main screen."""

    TITLE = "farense-tui"
    HELP_TITLE = _("Everywhere")
    CSS_PATH = Path(__file__).with_name("farense.tcss")
    COMMANDS: ClassVar = {_commands}
    SPARED: ClassVar[tuple[type[BaseException], ...]] = (Exception,)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", _("Help"), key_display="?"),
        Binding("f1", "help", _("Help"), show=False),  # where a ? is typed into a field
        Binding("q", "request_quit", _("Quit")),
        Binding(
            "t", "next_theme", _("Next theme"), show=False, tooltip=_("Dark, light, high contrast")
        ),
        Binding("j", "simulate_key('down')", _("Down"), show=False),
        Binding("k", "simulate_key('up')", _("Up"), show=False),
        Binding("ctrl+q", "request_quit", _("Quit"), show=False, priority=True),
    ]

    def __init__(
        self,
        runs_dir: Path,
        open_run: RunFolder | None = None,
        worker: Worker | None = None,
        data: str = "",
        review: Path | None = None,
    ) -> None:
        """Begin at the launch screen, at the monitor of `open_run` with its `worker`, or at the
        review of a draft, which is all there is then.
        """
        super().__init__()
        self.runs_dir = runs_dir
        self._first_run = open_run
        self._own_data = data
        self._review = review
        self._watched: RunFolder | None = None  # whose monitor is the main screen
        self._started: dict[Path, Worker] = {worker.folder.path: worker} if worker else {}
        self._event_loop: asyncio.AbstractEventLoop | None = None
        self._begun = self._leaving = False
        self._unforeseen: deque[float] = deque(maxlen=20)
        self.terminal_gone: Callable[[], bool] = bool
        compat.spare(self, self._go_on)

    def get_driver_class(self) -> type[Driver]:
        return compat.in_turn(super().get_driver_class())

    def on_mount(self) -> None:
        """Open the first screen."""
        self._event_loop = asyncio.get_running_loop()
        self.set_interval(_LOOK_FOR_TERMINAL, self._end_without_terminal)
        if self._first_run:
            self.open_run(self._first_run)
        elif self._review:
            self._open_review(self._review)
        else:
            self.open_launch()
            if not (self._own_data or preferences.welcomed()):
                self.welcome()
        self.tell_of_preferences()
        if self._leaving:  # a signal came first
            self._exit_once_drawn()

    def on_ready(self) -> None:
        self._begun = True

    # The screens

    def _open_review(self, folder: Path) -> None:
        from farense_tui.ui.review.screen import ReviewScreen

        self.push_screen(ReviewScreen(folder), lambda _done: self.exit())

    def open_launch(self) -> None:
        """Go to the launch screen; it is kept, so what was typed there is still there."""
        from farense_tui.ui.launch.screen import LaunchScreen

        if not self.is_screen_installed("launch"):
            self.install_screen(LaunchScreen(self.runs_dir, self._own_data), "launch")
        self._show_main("launch")

    def open_run(
        self, folder: RunFolder, worker: Worker | None = None, remedy: Action | None = None
    ) -> None:
        """Go to the monitor of a run; `worker` is its worker if this process started it.

        remedy: what is to be done with the run as soon as it is shown.
        """
        from farense_tui.ui.monitor.screen import MonitorScreen

        if not self._readable([folder]):
            return
        if worker:
            self._started[folder.path] = worker
        monitor = MonitorScreen(folder, worker or self._started.get(folder.path))
        self._show_main(monitor, folder)
        if remedy:
            monitor.call_after_refresh(monitor.do, remedy)

    def run_moved(self, old: RunFolder, new: RunFolder) -> None:
        """Open a monitor that is on a run that was renamed anew, where it is now."""
        self._started.pop(old.path, None)
        if self._watched == old:
            self.open_run(new)

    def open_runs(self) -> None:
        """Lay the list of runs over the main screen."""
        from farense_tui.ui.runs.screen import RunsScreen

        self.push_screen(RunsScreen(self.runs_dir))

    def open_comparison(self, folders: list[RunFolder]) -> None:
        from farense_tui.ui.runs.compare import MOST, CompareScreen

        if len(folders) > MOST:
            many = usage(
                _("{n} runs are too many").format(n=len(folders)),
                _("{n} can be told apart").format(n=MOST),
            )
            self.show_error(many)
            return
        if not self._readable(folders):
            return
        self.push_screen(CompareScreen(folders))

    def _readable(self, folders: list[RunFolder]) -> bool:
        """Whether the runs can be looked at; says why if one cannot."""
        try:
            for folder in folders:
                describe.check_readable(folder)
        except FarenseError as error:
            self.show_error(error)
            return False
        return True

    def _show_main(self, screen: Screen[None] | str, watched: RunFolder | None = None) -> None:
        """Put a main screen in the place of the one there is, with all that lies over it.

        watched: the run that it is on, if it is a monitor.
        """
        self._watched = watched
        clock.play(None)  # a monitor of a played run takes its own
        while len(self.screen_stack) > 2:
            self.pop_screen()
        if len(self.screen_stack) == 2:
            self.switch_screen(screen)
        else:
            self.push_screen(screen)

    @property
    def started(self) -> list[Worker]:
        """The workers that this session has started."""
        return list(self._started.values())

    # What can be done from more than one screen

    @work(thread=True, exclusive=True, group="start")
    def start_run(self, profile: Profile, *, name: str, profile_name: str) -> None:
        """Prepare and start a run, then show it. In a thread: the data is checked first."""
        from farense_tui.engine.forecast.gather import refuse_hopeless

        try:
            refuse_hopeless(profile)
            folder = new_run.prepare(
                profile, name=name, profile_name=profile_name, folder=self.runs_dir
            )
            worker = supervisor.launch(folder)
        except FarenseError as error:
            self.show_error(error)
        except OSError as error:  # a path that is too long or may not be read
            wrong = refused(
                _("cannot read {path}").format(path=error.filename), error.strerror or str(error)
            )
            self.show_error(wrong)
        else:
            self.call_later(self.open_run, folder, worker)

    @work(thread=True, exclusive=True, group="start")
    def resume_run(self, folder: RunFolder) -> None:
        try:
            resuming.check_resumable(folder)
            worker = supervisor.launch(folder)
        except FarenseError as error:
            self.show_error(error)
        else:
            self.call_later(self.open_run, folder, worker)

    def show_error(self, error: FarenseError) -> None:
        """Say what went wrong; the screen behind stays as it is. From any thread."""
        self.post_message(Refused(error))

    def _go_on(self, error: Exception) -> bool:
        """Tell what went wrong in a handler or a thread of a screen; it ends nothing else.

        The one road for what nobody has foreseen. What goes wrong again and again ends the app.
        """
        cause = error.error if isinstance(error, WorkerFailed) else error
        if isinstance(cause, NoMatches) and self._begun and not self.is_running:
            return True  # news for a screen that is taken down as the app ends: half of it is gone
        self._unforeseen.append(monotonic())
        often = len(self._unforeseen) == self._unforeseen.maxlen
        if often and self._unforeseen[-1] - self._unforeseen[0] < _OFTEN:
            return False
        if not isinstance(cause, self.SPARED):
            return False
        if isinstance(cause, OSError):
            self.show_error(of_system(cause))
        elif isinstance(cause, FarenseError):
            self.show_error(cause)
        else:
            self.show_error(of_fault(cause))
        return True

    def on_refused(self, message: Refused) -> None:
        self.push_screen(ErrorDialog(message.error))

    def request_quit(self) -> None:
        """Leave, or ask first what is to become of the runs that go on."""
        known = {path: worker.folder for path, worker in self._started.items()}
        if self._watched:
            known[self._watched.path] = self._watched
        alive = [run for run in known.values() if run.is_alive()]
        if not alive:
            self.exit()
            return
        from farense_tui.ui.monitor.leave import LeaveDialog

        self.push_screen(LeaveDialog(alive))

    def action_request_quit(self) -> None:
        """As `request_quit`."""
        self.request_quit()

    def _end_without_terminal(self) -> None:
        if self.terminal_gone():
            self.exit(return_code=1)

    def exit_from_signal(self) -> None:
        """Leave without a question. For a signal handler, which may run between any two lines."""
        self._leaving = True
        if self._event_loop:
            self._event_loop.call_soon_threadsafe(self._exit_once_drawn)

    def _exit_once_drawn(self) -> None:
        """Leave when the screen is there as a whole: half of one would end with a traceback."""
        if self.screen_stack:
            self.screen.call_after_refresh(self.exit)
        else:
            self.call_after_refresh(self._exit_once_drawn)

    def tell_of_cut_paste(self) -> None:
        """Say that the end of what was pasted is not there."""
        self.notify(_("Of what was pasted the first {n} characters are taken").format(n=LONGEST))

    def get_key_display(self, binding: Binding) -> str:
        """Name a key in the user's language."""
        shown = super().get_key_display(binding)
        return _KEYS.get(shown, shown)

    def action_command_palette(self) -> None:
        """Open the palette, with a hint in the user's language."""
        if not CommandPalette.is_open(self):  # type: ignore[arg-type]
            hint = _("Search for commands…")
            self.push_screen(CommandPalette(placeholder=hint))

    def action_help(self) -> None:
        """Show the keys of the screen that is open."""
        from farense_tui.ui.common.help import HelpScreen

        if not self.screen.is_modal:
            self.push_screen(HelpScreen(self.screen))


if TYPE_CHECKING:
    _leads: type[Navigator] = FarenseApp  # it does all that the screens ask of it


def run_app(
    runs_dir: Path,
    open_run: RunFolder | None = None,
    worker: Worker | None = None,
    data: str = "",
    review: Path | None = None,
) -> int:
    """Run the app in this terminal and leave the terminal as it was; gives the exit code.

    worker: of `open_run`, if started here. data: to begin with. review: a draft, and nothing else.
    """
    app = FarenseApp(runs_dir, open_run, worker, data, review)
    take_any_byte(lambda: app.call_later(app.tell_of_cut_paste))
    with TerminalGuard(on_signal=app.exit_from_signal) as guard:
        app.terminal_gone = guard.gone
        app.run()
    return app.return_code or 0
