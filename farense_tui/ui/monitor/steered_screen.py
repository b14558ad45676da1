"""A screen on one run whose keys steer its worker. What it shows is up to who derives from it."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from farense_worker.protocol import plain_file
from farense_worker.protocol.clean_text import clean_lines
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.run_folder import RunFolder
from textual import work
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import var
from textual.screen import Screen

from farense_tui.engine.health import Action, Finding
from farense_tui.engine.runs import clock, steer, supervisor
from farense_tui.engine.runs.supervisor import Control, Worker
from farense_tui.engine.runs.watch import Snapshot
from farense_tui.ui.common.status import ENDED_WELL
from farense_tui.ui.messages import Refused, Unforeseen
from farense_tui.ui.monitor.controls import CONTROLS, Asked, Wish, newest
from farense_tui.ui.monitor.follow import Follower
from farense_tui.ui.navigator import navigator

_STACKS_PATIENCE = 3.0


class Stacks(Message):
    """What the worker has written of its threads."""

    def __init__(self, lines: list[str]) -> None:
        """Hand the lines over, cleaned."""
        super().__init__()
        self.lines = lines


class SteeredScreen(Screen[None]):
    """Hands the user's wishes to the worker of a run."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", _("Pause"), tooltip=_("Pause, or go on, between two steps")),
        Binding("s", "stop", _("Stop"), tooltip=_("Finish the step, save, end; it asks first")),
        Binding(
            "c", "checkpoint", _("Checkpoint"), tooltip=_("Write a checkpoint after this step")
        ),
        Binding("r", "resume", _("Resume"), tooltip=_("Go on from the newest checkpoint")),
        Binding("e", "change", _("Change"), tooltip=_("Rate, cadence, epochs, memory; and go on")),
        Binding(
            "h", "health", _("What is wrong"), show=False, tooltip=_("And what to do about it")
        ),
        Binding(
            "p", "post_mortem", _("What happened"), show=False, tooltip=_("Of a run that has ended")
        ),
        Binding(
            "w", "stacks", _("Where it is"), show=False, tooltip=_("The stacks of its threads")
        ),
    ]

    # var: a reactive of the screen would have all of it drawn again
    snapshot: var[Snapshot | None] = var(None, always_update=True)
    findings: var[tuple[Finding, ...]] = var(())
    asked: var[Asked | None] = var(None)

    def __init__(self, folder: RunFolder, worker: Worker | None = None) -> None:
        """Watch the run in `folder`; `worker` if this process has started it."""
        super().__init__()
        self.folder = folder
        self._follower = Follower(folder, worker)
        self._left = False

    def on_unmount(self) -> None:
        self._left = True
        self._follower.stop()

    @property
    def alive(self) -> bool:
        """Whether a worker is at it, as far as is known."""
        return self.snapshot is not None and self.snapshot.alive

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what can be done now: a narrow footer has no room for more."""
        if self.snapshot is None:
            return True
        if action in ("pause", "checkpoint", "stop", "stacks"):
            return self.alive
        return not self.alive if action in ("resume", "post_mortem") else True

    def key_label(self, action: str) -> str | None:
        """What a key does now, where that is not what its name says; for the footer.

        None for `r` on a run that is complete, which `e` gives more to do.
        """
        status = self.snapshot.status if self.snapshot else ""
        complete = status in ENDED_WELL
        if action == "resume" and complete:
            return None
        if action == "change" and complete:
            return _("Train on")
        return _("Continue") if action == "pause" and status == "paused" else ""

    def settle(self, snapshot: Snapshot) -> None:
        """Forget what was asked once it has come to pass."""
        if self.asked and self.asked.settled(snapshot):
            self.asked = None
        stopping = self.asked and self.asked.wish in ("stop", "change")
        self._follower.observer.stop_asked = self.asked.time if self.asked and stopping else None

    def action_pause(self) -> None:
        """Pause, or go on."""
        paused = self.snapshot is not None and self.snapshot.status == "paused"
        self._ask("continue" if paused else "pause")

    def action_checkpoint(self) -> None:
        self._ask("checkpoint")

    @work
    async def action_stop(self) -> None:
        """Ask whether it is to stop; to be killed, if it was asked to and is late."""
        from farense_tui.ui.monitor.stop import YES, StopDialog, lateness, patience

        if not self.snapshot or not self.alive:
            return
        asked = self.asked if self.asked and self.asked.wish in ("stop", "change") else None
        late = lateness(asked and asked.time, self.snapshot.state, clock.now())
        if late == 0:
            self.notify(patience(), markup=False)
            return
        dialog = StopDialog(self.folder, self.snapshot.state, late or 0.0)
        if await self.app.push_screen_wait(dialog) == YES:
            self._ask("kill" if late else "stop")

    def action_resume(self) -> None:
        """Start a worker on this run again."""
        if self.alive:
            self._warn(_("It is being trained already."))
        elif self._may_go_on():
            self.asked = Asked("resume", clock.now())
            self._launch()

    def action_stacks(self) -> None:
        """Show where every thread of the worker is."""
        if self.alive:
            self._write_stacks()

    @work
    async def action_health(self) -> None:
        """Show what is wrong in full, and do what is chosen."""
        from farense_tui.ui.monitor.health import HealthDialog

        action = await self.app.push_screen_wait(HealthDialog(self.findings, self.alive))
        if action:
            self.do(action)

    @work
    async def action_post_mortem(self) -> None:
        """Show the page on how it ended, and do what is chosen there."""
        from farense_tui.ui.monitor.post_mortem import PostMortemScreen

        worker = self._follower.worker
        code = worker.process.poll() if worker else None
        if action := await self.app.push_screen_wait(PostMortemScreen(self.folder, code)):
            self.do(action)

    @work
    async def action_change(self) -> None:
        """Ask what is to be changed, and go on with it."""
        from farense_tui.ui.monitor.change import ChangeDialog

        snapshot = self.snapshot
        if snapshot is None or not (self.alive or self._may_go_on(True)):
            return
        if snapshot.config is None:
            self._warn(_("Its settings cannot be read, so there is nothing to change."))
            return
        dialog = ChangeDialog(self.folder, snapshot.config, snapshot.state, snapshot.alive)
        if changes := await self.app.push_screen_wait(dialog):
            self._change_to(changes)

    def do(self, action: Action) -> None:
        """Apply a remedy."""
        match action.deed:
            case "change":
                self._change_to(dict(action.changes), action.back_to)
            case "stop" | "kill":
                self._ask(action.deed)
            case "resume":
                self.action_resume()
            case "stacks":
                self.action_stacks()

    def _may_go_on(self, longer: bool = False) -> bool:
        """Whether there is something left to train; else say why not."""
        if self.snapshot is None or self.snapshot.read < 1:
            self._warn(_("The record is still being read."))
            return False
        if self.snapshot.status in ENDED_WELL and not longer:
            more = _("The run is complete: e gives it more epochs.")
            early = _("It stopped early: e lets it go on.")
            self._warn(early if self.snapshot.status == "early_stopping" else more)
            return False
        return True

    def _ask(self, wish: Wish) -> None:
        if not self.alive:
            self._warn(_("It is not being trained."))
            return
        before = newest(self.snapshot) if self.snapshot else 0
        self.asked = Asked(wish, clock.now(), before)
        self._send(wish)

    def _change_to(self, changes: dict[str, Any], back_to: int | None = None) -> None:
        seq = self.snapshot.state.worker_seq if self.snapshot else 0
        self.asked = Asked("change", clock.now(), seq)
        self._apply(changes, back_to)

    def _warn(self, message: str) -> None:
        self.notify(message, severity="warning", markup=False)

    @work(thread=True, group="steer")
    def _send(self, wish: Wish) -> None:
        """Sending waits for a worker that has only just been started, so it has a thread."""
        try:
            supervisor.ask(self.folder, None if wish == "kill" else CONTROLS[wish])
        except FarenseError as error:
            self.post_message(Refused(error))
        self._follower.look_now()

    @work(thread=True, group="steer")
    def _launch(self) -> None:
        try:
            self._follower.worker = supervisor.launch(self.folder)
        except FarenseError as error:
            self.post_message(Refused(error))
        self._follower.look_now()

    @work(thread=True, group="change", exclusive=True)
    def _apply(self, changes: dict[str, Any], back_to: int | None) -> None:
        try:
            worker = steer.apply(self.folder, changes, back_to, lambda: self._left)
        except FarenseError as error:
            self.post_message(Refused(error))
        else:
            self._follower.worker = worker or self._follower.worker
        self._follower.look_now()

    @work(thread=True, group="stacks", exclusive=True)
    def _write_stacks(self) -> None:
        log = self.folder.log
        before = log.stat().st_size if log.exists() else 0
        try:
            supervisor.ask(self.folder, Control.STACKS)
        except FarenseError as error:
            self.post_message(Refused(error))
            return
        deadline, text = time.monotonic() + _STACKS_PATIENCE, b""
        while not self._left and time.monotonic() < deadline:
            time.sleep(0.1)
            with plain_file.reading(log) as file:
                file.seek(before)
                more = file.read(1 << 18)
            if more and more == text:
                break
            text = more
        self.post_message(Stacks(clean_lines(text.decode("utf-8", "replace"))))

    def on_stacks(self, message: Stacks) -> None:
        """Show them; they stay in the log."""
        from farense_tui.ui.monitor.health import TextDialog

        lines = message.lines or [_("Nothing was written.")]
        self.app.push_screen(TextDialog(_("Where the worker's threads are (worker.log)"), lines))

    def on_refused(self, message: Refused) -> None:
        """Say why not; what was asked will not come to pass."""
        message.stop()
        self.asked = None
        navigator(self).show_error(message.error)

    def on_unforeseen(self, message: Unforeseen) -> None:
        """Send it the app's road for what nobody has foreseen."""
        raise message.error
