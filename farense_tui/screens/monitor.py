"""The monitor: one run, live or finished, and the keys that steer it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import ClassVar, Protocol, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.reactive import reactive
from textual.widgets import Footer

from farense_tui.engine import clock, supervisor
from farense_tui.engine.supervisor import Worker
from farense_tui.engine.watch import Snapshot
from farense_tui.messages import Refused
from farense_tui.screens.chart_screen import ChartScreen
from farense_tui.screens.follow import Changed, Follower
from farense_tui.screens.steering import CONTROLS, Asked, Wish, newest
from farense_tui.widgets.chart import Chart
from farense_tui.widgets.chart_data import of as chart_data
from farense_tui.widgets.gauge_bar import measure
from farense_tui.widgets.memory_gauge import MemoryGauge
from farense_tui.widgets.outcome import Outcome, OutcomePanel
from farense_tui.widgets.run_facts import RunFacts, facts
from farense_tui.widgets.run_header import RunHeader
from farense_tui.widgets.run_log import RunLog
from farense_tui.widgets.run_view import view
from farense_tui.widgets.trends import Trend, Trends
from worker.protocol import simulation
from worker.protocol.errors import FarenseError
from worker.protocol.runfolder import RunFolder


class Host(Protocol):
    """What the monitor needs of the app."""

    def open_launch(self) -> None:
        """Show the launch screen."""

    def open_runs(self) -> None:
        """Show the list of runs."""

    def show_error(self, error: FarenseError) -> None:
        """Show an error."""

    def request_quit(self) -> None:
        """Leave, after asking what becomes of a run."""


class MonitorScreen(ChartScreen):
    """Shows a run as it is and hands the user's wishes to its worker."""

    HELP_TITLE = "Monitor"
    AUTO_FOCUS = ""
    # not ClassVar, because Textual's own annotation of these two is not
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (150, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (20, "-short"), (30, "-middle"), (40, "-tall")]  # noqa: RUF012

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "Pause", tooltip="Pause, or go on, between two steps"),
        Binding("k", "stop", "Stop", tooltip="Finish the step, save, end; again: kill"),
        Binding("c", "checkpoint", "Checkpoint", tooltip="Write a checkpoint after this step"),
        Binding("r", "resume", "Resume", tooltip="Go on from the newest checkpoint"),
        Binding("l", "runs", "Runs", tooltip="List the runs"),
        Binding("up", "scroll_log('up')", "Scroll the log", show=False),
        Binding("down", "scroll_log('down')", "Scroll the log", show=False),
        Binding("pageup", "scroll_log('page_up')", "Scroll the log", show=False),
        Binding("pagedown", "scroll_log('page_down')", "Scroll the log", show=False),
        Binding("home", "scroll_log('home')", "Start of the log", show=False),
        Binding("end", "scroll_log('end')", "End of the log", show=False),
        Binding("q", "leave", "Leave", tooltip="Leave; the run may go on without the screen"),
        Binding("escape", "launch", "Back", show=False),
    ]

    DEFAULT_CSS = """
    MonitorScreen {
        padding: 0 1;
        #body { height: 1fr; }
        #side { height: auto; }
        RunHeader { margin-bottom: 1; }
        Chart { margin-bottom: 1; }
        RunLog { margin-top: 1; }
        RunFacts { display: none; }

        &.-large { OutcomePanel, #side, RunLog { display: none; } }
        &.-tiny {
            RunHeader, Chart, #side { margin: 0; }
            MemoryGauge { height: 1; }
            RunLog { height: 2; margin: 0; }
            OutcomePanel { max-height: 4; }
            &.-ended RunHeader { height: 2; }
        }
        &.-short {
            OutcomePanel { max-height: 7; }
            RunLog { height: 4; }
        }
        &.-tiny.-ended #side, &.-short.-ended #side { display: none; }
        &.-middle OutcomePanel, &.-tall OutcomePanel { margin-bottom: 1; }
        &.-middle RunLog { height: 8; }
        &.-tall RunLog { height: 12; }
        &.-middle Trends, &.-tall Trends { height: 3; margin-bottom: 1; }
        &.-middle Trend, &.-tall Trend { height: 3; margin-right: 3; }

        &.-wide.-tall {
            padding: 1 2;
            #body { layout: grid; grid-size: 2 2; grid-columns: 1fr 52; grid-rows: 1fr 14;
                    grid-gutter: 0 4; }
            &.-large #body { layout: vertical; }
            #side { row-span: 2; height: 100%; }
            RunLog { height: 100%; margin: 0; }
            Trends { layout: vertical; height: auto; }
            Trend { height: 5; margin: 0 0 1 0; }
            MemoryGauge { height: 11; margin: 1 0; }
            RunFacts { display: block; }
        }
    }
    """

    snapshot: reactive[Snapshot | None] = reactive(None, always_update=True)
    asked: reactive[Asked | None] = reactive(None)
    end: reactive[Outcome | None] = reactive(None)

    def __init__(self, folder: RunFolder, worker: Worker | None = None) -> None:
        """Watch the run in `folder`; `worker` if this process has started it."""
        super().__init__()
        self.folder = folder
        self._follower = Follower(folder, worker)

    def compose(self) -> ComposeResult:
        """From the most pressing to the least."""
        yield RunHeader()
        yield OutcomePanel()
        with Container(id="body"):
            yield Chart("v next chart   x read out   f large")
            with Container(id="side"):
                yield Trends()
                yield MemoryGauge()
                yield RunFacts()
            yield RunLog()
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to read."""
        self.title = self.folder.name
        with contextlib.suppress(FarenseError):
            clock.play(simulation.read(self.folder.path))
        self._follow()

    def on_unmount(self) -> None:
        """Let the reader end."""
        self._follower.stop()

    @work(thread=True, group="follow")
    def _follow(self) -> None:
        self._follower.run(self.post_message)

    @on(Changed)
    def _take(self, message: Changed) -> None:
        self.end = message.end
        self.snapshot = message.snapshot

    def watch_snapshot(self, old: Snapshot | None, snapshot: Snapshot | None) -> None:
        """Hand each widget what it shows; those compare and draw only what changed."""
        if snapshot is None:
            return
        if self.asked and self.asked.settled(snapshot):
            self.asked = None
        if old is None or old.alive != snapshot.alive:
            self.refresh_bindings()
        self._show_head(snapshot)
        self.query_one(MemoryGauge).memory = measure(snapshot)
        self.query_one(RunLog).show(snapshot.journal)
        if old is None or old.state is not snapshot.state:
            self.show_chart()
            self.query_one(Trends).show(snapshot.state)
            self.query_one(RunFacts).facts = facts(snapshot)

    def watch_asked(self) -> None:
        """Say at once what was asked."""
        if self.snapshot:
            self._show_head(self.snapshot)

    def watch_end(self, end: Outcome | None) -> None:
        """Say how it ended."""
        self.query_one(OutcomePanel).end = end
        self.set_class(end is not None, "-ended")

    def show_chart(self) -> None:
        """Show the run's course."""
        if self.snapshot:
            self.chart.show(chart_data(self.snapshot.state, self.subject))

    def _show_head(self, snapshot: Snapshot) -> None:
        says = self.asked.says(snapshot.now) if self.asked else ""
        self.query_one(RunHeader).run = view(snapshot, says)

    @property
    def alive(self) -> bool:
        """Whether a worker is at it, as far as is known."""
        return self.snapshot is not None and self.snapshot.alive

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what can be done now: a narrow footer has no room for more."""
        if self.snapshot is None:
            return True
        if action in ("pause", "checkpoint", "stop"):
            return self.alive
        return not self.alive if action == "resume" else True

    @property
    def _host(self) -> Host:
        return cast(Host, self.app)

    def action_pause(self) -> None:
        """Pause, or go on."""
        paused = self.snapshot is not None and self.snapshot.status == "paused"
        self._ask("continue" if paused else "pause")

    def action_checkpoint(self) -> None:
        """Save now."""
        self._ask("checkpoint")

    def action_stop(self) -> None:
        """Stop; the second time, kill."""
        asked = self.asked is not None and self.asked.wish in ("stop", "kill")
        stopping = self.snapshot is not None and self.snapshot.status == "stopping"
        self._ask("kill" if asked or stopping else "stop")

    def action_resume(self) -> None:
        """Start a worker on this run again."""
        if self.alive:
            self._warn("It is being trained already.")
            return
        if self.snapshot is None or self.snapshot.read < 1:
            self._warn("The record is still being read.")
            return
        if self.snapshot.status in ("completed", "early_stopping"):
            self._warn("The run is complete: there is nothing left to train.")
            return
        self.asked = Asked("resume", clock.now())
        self._launch()

    def action_runs(self) -> None:
        """List the runs."""
        self._host.open_runs()

    def action_launch(self) -> None:
        """Go back to the launch screen; the run goes on."""
        self._host.open_launch()

    def action_leave(self) -> None:
        """Leave the app."""
        self._host.request_quit()

    @on(Trend.Chosen)
    def _take_subject(self, message: Trend.Chosen) -> None:
        self.subject = message.subject

    def action_scroll_log(self, where: str) -> None:
        """Scroll the log; at its end it follows again."""
        log = self.query_one(RunLog)
        moves: dict[str, Callable[[], None]] = {
            "up": partial(log.move, -1),
            "down": partial(log.move, 1),
            "page_up": partial(log.page, -1),
            "page_down": partial(log.page, 1),
            "home": log.to_start,
            "end": log.to_end,
        }
        moves[where]()

    def _ask(self, wish: Wish) -> None:
        if not self.alive:
            self._warn("It is not being trained.")
            return
        before = newest(self.snapshot) if self.snapshot else 0
        self.asked = Asked(wish, clock.now(), before)
        self._send(wish)

    def _warn(self, message: str) -> None:
        self.notify(message, severity="warning", markup=False)

    @work(thread=True, group="steer")
    def _send(self, wish: Wish) -> None:
        """Sending waits for a worker that has only just been started, so it has a thread."""
        sent = (
            supervisor.kill(self.folder)
            if wish == "kill"
            else supervisor.send(self.folder, CONTROLS[wish])
        )
        if not sent:
            self.post_message(Refused(supervisor.not_running(self.folder)))
        self._follower.look_now()

    @work(thread=True, group="steer")
    def _launch(self) -> None:
        try:
            self._follower.worker = supervisor.launch(self.folder)
        except FarenseError as error:
            self.post_message(Refused(error))
        self._follower.look_now()

    def on_refused(self, message: Refused) -> None:
        """Say why not; what was asked will not come to pass."""
        message.stop()
        self.asked = None
        self._host.show_error(message.error)
