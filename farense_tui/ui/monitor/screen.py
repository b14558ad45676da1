"""The monitor: one run, live or finished, and the keys that steer it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar

from farense_worker.protocol import simulation
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.percent import percent
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.reactive import var

from farense_tui.engine.health import Finding
from farense_tui.engine.machine.desktop import show_file
from farense_tui.engine.readable import progress
from farense_tui.engine.runs import clock
from farense_tui.engine.runs.watch import Snapshot
from farense_tui.ui.charts.chart import Chart
from farense_tui.ui.charts.chart_data import of as chart_data
from farense_tui.ui.charts.trends import Trend, Trends
from farense_tui.ui.common.key_footer import KeyFooter
from farense_tui.ui.messages import Course, News
from farense_tui.ui.monitor.chart_screen import ChartScreen
from farense_tui.ui.monitor.follow import Changed
from farense_tui.ui.monitor.gauge_bar import measure
from farense_tui.ui.monitor.health_card import HealthCard
from farense_tui.ui.monitor.memory_gauge import MemoryGauge
from farense_tui.ui.monitor.outcome import Outcome
from farense_tui.ui.monitor.outcome_panel import OutcomePanel
from farense_tui.ui.monitor.run_facts import RunFacts, facts
from farense_tui.ui.monitor.run_header import RunHeader
from farense_tui.ui.monitor.run_log import RunLog
from farense_tui.ui.monitor.run_view import RunView, view
from farense_tui.ui.monitor.steered_screen import SteeredScreen
from farense_tui.ui.navigator import navigator


class MonitorScreen(SteeredScreen, ChartScreen):
    """Shows a run as it is and hands the user's wishes to its worker."""

    HELP_TITLE = _("Monitor")
    AUTO_FOCUS = ""
    # not ClassVar, because Textual's own annotation of these two is not
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (150, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (20, "-short"), (30, "-middle"), (40, "-tall")]  # noqa: RUF012

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "runs", _("Runs"), tooltip=_("List the runs")),
        Binding("a", "ask", _("Ask"), tooltip=_("Ask its adapter, and the base model")),
        Binding("o", "report", _("Report"), tooltip=_("Open its report in the browser")),
        # One key for the two: there is always one of them that cannot be done.
        Binding("s", "stop", _("Stop"), tooltip=_("Finish the step, save, end; it asks first")),
        Binding("s", "serve", _("Serve"), tooltip=_("At an OpenAI-compatible address")),
        Binding("m", "evaluate", _("Measure"), tooltip=_("On test rows, beside the base model")),
        Binding(
            "E", "export", _("Export"), show=False, tooltip=_("For Ollama, LM Studio, mlx_lm, peft")
        ),
        Binding("up", "scroll_log('up')", _("Scroll the log"), show=False),
        Binding("down", "scroll_log('down')", _("Scroll the log"), show=False),
        Binding("pageup", "scroll_log('page_up')", _("Scroll the log"), show=False),
        Binding("pagedown", "scroll_log('page_down')", _("Scroll the log"), show=False),
        Binding("home", "scroll_log('home')", _("Start of the log"), show=False),
        Binding("end", "scroll_log('end')", _("End of the log"), show=False),
        Binding("q", "leave", _("Leave"), tooltip=_("Leave; the run may go on without the screen")),
        Binding("escape", "launch", _("Back"), show=False),
    ]

    # The chart has two fifths of the height at least: the log gives way first, then the trends and
    # the memory. Chart and log share what is left 2 to 1; the log's most is half the chart's least.
    DEFAULT_CSS = """
    MonitorScreen {
        padding: 0 1;
        #body { height: 1fr; }
        #side { height: auto; }
        RunHeader { margin-bottom: 1; }
        Chart { height: 2fr; min-height: 40vh; margin-bottom: 1; }
        RunLog { height: 1fr; min-height: 2; margin-top: 1; }
        RunFacts { display: none; }

        &.-large { OutcomePanel, #side, RunLog { display: none; } }
        &.-tiny {
            RunHeader, Chart, #side { margin: 0; }
            MemoryGauge { height: 1; }
            RunLog { min-height: 1; max-height: 3; margin: 0; }
            OutcomePanel { max-height: 4; }
            HealthCard { max-height: 1; margin: 0; }
            &.-ended RunHeader { height: 2; }
            &.-ended RunLog { display: none; }
        }
        &.-short {
            OutcomePanel { max-height: 6; }
            RunLog { max-height: 6; }
            HealthCard { max-height: 2; margin: 0; }
            &.-carded RunLog { margin: 0; }
        }
        &.-ended MemoryGauge { display: none; }
        &.-tiny.-ended #side, &.-short.-ended #side { display: none; }
        &.-short.-ended Chart { margin: 0; }
        &.-middle OutcomePanel, &.-tall OutcomePanel { margin-bottom: 1; }
        &.-middle OutcomePanel { max-height: 7; }
        &.-middle RunLog { max-height: 8; }
        &.-tall RunLog { max-height: 12; }
        &.-middle HealthCard { max-height: 3; }
        &.-tall HealthCard { max-height: 6; }
        &.-middle MemoryGauge, &.-tall MemoryGauge { height: 3; }
        &.-middle.-carded MemoryGauge { height: 2; }
        &.-middle Trends, &.-tall Trends { height: 3; margin-bottom: 1; }
        &.-middle Trend, &.-tall Trend { height: 3; margin-right: 3; }
        &.-middle.-carded Trends { height: 1; margin: 0; }
        &.-middle.-carded Trend { height: 1; }

        &.-wide.-tall {
            padding: 1 2;
            #body { layout: grid; grid-size: 2 2; grid-columns: 1fr 52; grid-rows: 2fr 1fr;
                    grid-gutter: 0 4; }
            &.-large #body { layout: vertical; }
            #side { row-span: 2; height: 100%; }
            Chart { height: 100%; }
            RunLog { height: 100%; max-height: 100%; margin: 0; }
            HealthCard { max-height: 9; }
            Trends { layout: vertical; height: auto; }
            Trend { height: 4; margin: 0 0 1 0; }
            MemoryGauge { height: 1fr; margin-bottom: 1; }
            RunFacts { display: block; }
        }
    }
    """

    end: var[Outcome | None] = var(None)
    _lived = False  # since it is on the screen

    def compose(self) -> ComposeResult:
        """From the most pressing to the least."""
        yield RunHeader()
        yield OutcomePanel()
        yield HealthCard()
        with Container(id="body"):
            yield Chart(_("v next chart   x read out   f large"))
            with Container(id="side"):
                yield Trends()
                yield MemoryGauge()
                yield RunFacts()
            yield RunLog()
        yield KeyFooter()

    def on_mount(self) -> None:
        self.title = self.folder.name
        with contextlib.suppress(FarenseError):
            clock.play(simulation.read(self.folder.path))
        self._follow()

    @work(thread=True, group="follow")
    def _follow(self) -> None:
        self._follower.run(self.post_message)

    @on(Changed)
    def _take(self, message: Changed) -> None:
        self._lived = self._lived or message.snapshot.alive
        self.end = message.end
        self.snapshot = message.snapshot
        self.findings = message.findings

    def watch_snapshot(self, old: Snapshot | None, snapshot: Snapshot | None) -> None:
        """Hand each widget what it shows; those compare and draw only what changed."""
        if snapshot is None:
            return
        self.settle(snapshot)
        self._follower.observer.vitals = self.query_one(MemoryGauge).vitals
        if old is None or (old.alive, old.status) != (snapshot.alive, snapshot.status):
            self.refresh_bindings()
        self._reach(self._show_head(snapshot), snapshot.alive)
        self.query_one(MemoryGauge).memory = measure(snapshot)
        self.query_one(RunLog).show(snapshot.journal)
        if old is None or old.state is not snapshot.state:
            self.show_chart()
            self.query_one(Trends).show(snapshot.state)
            self.query_one(RunFacts).facts = facts(snapshot)

    def watch_findings(self, before: tuple[Finding, ...], findings: tuple[Finding, ...]) -> None:
        """Show what is wrong; how a run ended, the panel above tells."""
        alive = self.snapshot is None or self.snapshot.alive
        known = {finding.rule for finding in before}
        for finding in findings:
            if alive and finding.severity == "alarm" and finding.rule not in known:
                self.post_message(News(self.folder.name, finding.title))
        self.query_one(HealthCard).findings = tuple(
            each for each in findings if alive or (each.action and each.action.deed == "change")
        )
        self._make_room()

    def _reach(self, run: RunView, alive: bool) -> None:
        """Tell who looks elsewhere how far it is."""
        share = run.step / run.total_steps if run.total_steps else 0.0
        end = _(" · done at {time}").format(time=run.done_at) if run.done_at else ""
        if alive:
            done = progress(run.step, run.total_steps) if run.total_steps else percent(0)
            title = f"{done} {run.name} · {run.word}{end}"
            bad = any(finding.severity == "alarm" for finding in self.findings)
            self.post_message(Course(title, share, bad))
        else:
            self.post_message(Course(f"{run.sign} {run.name} · {run.word}", None))

    def on_unmount(self) -> None:
        """Take the mark of the run from the terminal's tab."""
        super().on_unmount()
        self.app.post_message(Course("farense-tui", None))

    def watch_asked(self) -> None:
        if self.snapshot:
            self._show_head(self.snapshot)

    def watch_end(self, before: Outcome | None, end: Outcome | None) -> None:
        self.query_one(OutcomePanel).end = end
        if before is None and end is not None and self._lived:
            self.post_message(News(self.folder.name, end.news))
        self.set_class(end is not None, "-ended")
        self._make_room()
        self.refresh_bindings()

    def _make_room(self) -> None:
        """Have the small pictures give way to a card."""
        cards = (self.query_one(OutcomePanel), self.query_one(HealthCard))
        self.set_class(any(card.display for card in cards), "-carded")

    def show_chart(self) -> None:
        """Show the run's course."""
        if self.snapshot:
            self.chart.show(chart_data(self.snapshot.state, self.subject))

    def picture_stem(self) -> Path:
        return self.folder.path / "plots" / "chart"

    def _show_head(self, snapshot: Snapshot) -> RunView:
        says = self.asked.says(snapshot.now) if self.asked else ""
        run = self.query_one(RunHeader).run = view(snapshot, says)
        return run

    def action_runs(self) -> None:
        navigator(self).open_runs()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to ask once the run has ended: while it trains, it needs the memory itself."""
        if action == "report":
            return self.end is not None and os.path.isfile(self.folder.report)
        if action in ("ask", "serve", "evaluate", "export"):
            return self.end is not None and self.end.adapter
        return super().check_action(action, parameters)

    def action_ask(self) -> None:
        """Ask the run's adapter."""
        navigator(self).open_ask([self.folder])

    def action_serve(self) -> None:
        """Put the run's adapter behind an address."""
        navigator(self).open_serve([self.folder])

    def action_evaluate(self) -> None:
        """Measure what the training changed."""
        navigator(self).open_evaluation(self.folder)

    def action_export(self) -> None:
        """Take the run elsewhere."""
        navigator(self).open_export(self.folder)

    @work(thread=True, group="report")
    def action_report(self) -> None:
        """Open the run's report in the browser; say where it is, where there is none."""
        path = self.folder.report
        if not show_file(path):
            self.notify(str(path), title=_("The report"), markup=False)

    def action_launch(self) -> None:
        """Go back to the launch screen; the run goes on."""
        if not self.back_to_all():
            navigator(self).open_launch()

    def action_leave(self) -> None:
        navigator(self).request_quit()

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
