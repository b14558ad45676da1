"""One page on a run that died: what, when, why, its last words, and what to do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import ClassVar

from farense_worker.protocol.clean_text import clean, clean_lines
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.processes import machine
from farense_worker.protocol.run_folder import RunFolder
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import HorizontalGroup, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Label, Static

from farense_tui.engine import readable as show
from farense_tui.engine import status_words
from farense_tui.engine.health import Action, Finding, examine
from farense_tui.engine.health.remedies import RESUME
from farense_tui.engine.runs import clock, death, describe
from farense_tui.engine.runs.watch import Snapshot, Watch
from farense_tui.ui.common.dialogs import keys
from farense_tui.ui.common.key_footer import KeyFooter
from farense_tui.ui.common.status import look
from farense_tui.ui.monitor.health_card import headline
from farense_tui.ui.monitor.outcome import Outcome, facts_of, outcome

_LOG_LINES, _EVENTS = 40, 8

Part = tuple[str, list[Content]]


class Read(Message):
    def __init__(self, snapshot: Snapshot, end: Outcome, log: list[str]) -> None:
        """Hand over what was found."""
        super().__init__()
        self.snapshot = snapshot
        self.end = end
        self.log = log


class PostMortemScreen(Screen[Action | None]):
    """Gives what the user wants to be done, None for nothing."""

    HELP_TITLE = _("What happened")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "resume", _("Resume"), tooltip=_("Go on from the newest checkpoint")),
        Binding("h", "remedy", _("Remedy"), tooltip=_("Resume with what is advised")),
        Binding("up", "scroll('up')", _("Scroll"), show=False),
        Binding("down", "scroll('down')", _("Scroll"), show=False),
        Binding("pageup", "scroll('page_up')", _("Scroll"), show=False),
        Binding("pagedown", "scroll('page_down')", _("Scroll"), show=False),
        Binding("escape,p", "dismiss(None)", _("Back")),
    ]
    DEFAULT_CSS = """
    PostMortemScreen {
        padding: 0 1;
        #page { height: 1fr; scrollbar-size-vertical: 1; }
        .part { margin-bottom: 1; }
        .label { width: 13; color: $text-muted; }
        .lines { width: 1fr; height: auto; }
    }
    """

    def __init__(self, folder: RunFolder, exit_code: int | None = None) -> None:
        """On the run in `folder`; `exit_code` of its worker, if this process has started it."""
        super().__init__()
        self.folder = folder
        self._exit_code = exit_code
        self.remedy: Action | None = None

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="page"):
            yield Static(_("reading the record …"), markup=False)
        yield KeyFooter()

    def on_mount(self) -> None:
        self.title = self.folder.name
        self._read()

    @work(thread=True)
    def _read(self) -> None:
        snapshot = Watch(self.folder).look(clock.now())
        end = outcome(snapshot, self._exit_code) or Outcome(snapshot.status, snapshot.status)
        log = clean_lines(death.last_words(self.folder.log, _LOG_LINES))
        self.post_message(Read(snapshot, end, log))

    async def on_read(self, message: Read) -> None:
        findings = signs(message.snapshot)
        actions = (finding.action for finding in findings)
        self.remedy = next((each for each in actions if each and each.deed == "change"), None)
        self.refresh_bindings()
        page = self.query_one("#page", VerticalScroll)
        await page.remove_children()
        parts = list(tell(message, findings, self.remedy))
        await page.mount(*(_part(label, lines) for label, lines in parts))
        page.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.remedy is not None if action == "remedy" else True

    def action_resume(self) -> None:
        self.dismiss(RESUME)

    def action_remedy(self) -> None:
        self.dismiss(self.remedy)

    def action_scroll(self, where: str) -> None:
        page = self.query_one("#page", VerticalScroll)
        scroll = {
            "up": page.scroll_up,
            "down": page.scroll_down,
            "page_up": page.scroll_page_up,
            "page_down": page.scroll_page_down,
        }[where]
        scroll(animate=False)


def signs(snapshot: Snapshot) -> tuple[Finding, ...]:
    """What the rules find in the run as it ended."""
    return examine(facts_of(snapshot))


def tell(read: Read, findings: tuple[Finding, ...], remedy: Action | None) -> Iterator[Part]:
    """The page, part by part: label and lines."""
    snapshot, end = read.snapshot, read.end
    sign, word, style = look(end.status, snapshot.state)
    yield (
        "",
        [
            Content.assemble(
                (f"{sign} {word}", f"bold {style}"), "  ", (snapshot.folder.name, "bold")
            ),
            Content.styled(end.title, "bold $foreground"),
        ],
    )
    yield _("when"), _plain(_when(snapshot))
    yield _("where"), _plain(_where(snapshot))
    if told := list(filter(None, end.told)):
        yield _("result") if snapshot.state.stopped else _("why"), _plain(told)
    if findings:
        lines = []
        for finding in findings:
            lines += [headline(finding), *_plain([finding.evidence, finding.remedy])]
        yield _("signs"), lines
    todo = [keys("r", end.hint.removeprefix("r "))] if end.hint else []
    if remedy:
        todo.append(keys("h", clean(remedy.label)))
    if todo:
        yield _("what to do"), todo
    entries = snapshot.journal[-_EVENTS:]
    if entries:
        yield (
            _("last events"),
            [
                Content.styled(f"{_clock(entry.time)}  {entry.text}", "$foreground")
                for entry in entries
            ],
        )
    if read.log:
        path = Content.styled(show.from_here(str(snapshot.folder.log)), "$foreground")
        yield "worker.log", [path, *(Content.styled(line, "$text-muted") for line in read.log)]


def _when(snapshot: Snapshot) -> list[str]:
    state = snapshot.state
    if not state.last_time:
        return [_("it has never begun")]
    date = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(state.last_time))
    ago = show.ago(state.last_time, snapshot.now)
    workers = ngettext(
        "trained for {duration}",
        "trained for {duration}, by {n} workers",
        max(1, state.workers),
    )
    last = _("{date}, {ago}: its end") if state.ended else _("{date}, {ago}: its last sign of life")
    lines = [
        last.format(date=date, ago=ago),
        workers.format(duration=show.duration(state.elapsed), n=state.workers),
    ]
    if snapshot.status == "lost" and (booted := machine.boot_time()):
        again = _("the machine was started again at {time}")
        lines.append(again.format(time=_clock(booted)))
    return lines


def _where(snapshot: Snapshot) -> list[str]:
    state = snapshot.state
    at = _("step {step} of {total}, epoch {epoch}")
    if state.phase:
        at = _("step {step} of {total}, epoch {epoch}, in the phase {phase}")
    phase = status_words.phase(state.phase)
    total = state.total_steps or show.UNKNOWN
    lines = [at.format(step=state.step, total=total, epoch=show.epochs(state.epoch), phase=phase)]
    kept, unseen = describe.resume_step(snapshot.folder)
    if unseen:
        lines.append(describe.in_line(unseen))
    elif kept is None:
        lines.append(_("there is no checkpoint: it starts from the beginning"))
    elif kept < state.step:
        again = _("the newest checkpoint is of step {step}: {steps} again")
        lines.append(again.format(step=kept, steps=show.steps(state.step - kept)))
    else:
        whole = _("the newest checkpoint is of step {step}: nothing is lost")
        lines.append(whole.format(step=kept))
    if state.best:
        best = _("best validation {loss} at step {step}")
        lines.append(best.format(loss=show.loss(state.best.loss), step=state.best.step))
    return lines


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


def _plain(lines: list[str] | tuple[str, ...]) -> list[Content]:
    return [Content.styled(clean(line), "$foreground") for line in lines]


def _part(label: str, lines: list[Content]) -> HorizontalGroup:
    text = Static(Content("\n").join(lines), classes="lines")
    labels = [Label(label, classes="label", markup=False)] if label else []
    return HorizontalGroup(*labels, text, classes="part")
