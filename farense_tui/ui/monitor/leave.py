"""Leaving while runs go on that were started here, or one that is on the screen."""

from __future__ import annotations

import time
from typing import ClassVar

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.run_folder import RunFolder
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from farense_tui.engine.runs import supervisor
from farense_tui.engine.runs.supervisor import STOP_PATIENCE, Control
from farense_tui.ui.common.dialogs import keys

_STOPPING = _("Finishing the step and saving a checkpoint. Then the app ends.")
_LATE = _("Not stopped yet. It goes on trying; b leaves it to that, k kills it.")


class LeaveDialog(ModalScreen[None]):
    """Leave the runs in the background, stop them, or stay."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "background", _("Leave in the background")),
        Binding("s", "stop", _("Stop and leave")),
        Binding("k", "kill", _("Kill and leave")),
        Binding("escape,q", "dismiss", _("Stay")),
    ]

    def __init__(self, runs: list[RunFolder]) -> None:
        """Ask about these, all of them alive."""
        super().__init__(classes="dialog")
        self._alive = runs
        self._stopping = False
        self._late = 0.0

    def compose(self) -> ComposeResult:
        """The question and the ways to answer it."""
        names = ", ".join(run.name for run in self._alive)
        n = len(self._alive)
        leave = ngettext(
            "leave, it goes on in the background", "leave, they go on in the background", n
        )
        stop = ngettext(
            "stop it with a checkpoint, then leave", "stop them with a checkpoint, then leave", n
        )
        answers = {
            "background": keys("b  ", leave),
            "stop": keys("s  ", stop),
            "dismiss": keys("esc", _("stay")),
        }
        title = ngettext("{names} is being trained", "{names} are being trained", n)
        with VerticalGroup(classes="box"):
            yield Static(title.format(names=names), classes="title", markup=False)
            options = [Option(prompt, id=action) for action, prompt in answers.items()]
            yield OptionList(*options, compact=True)
            yield Static(classes="note", markup=False)

    async def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        """Do what was chosen with enter or the mouse, as its key does."""
        message.stop()
        await self.run_action(str(message.option.id))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Kill only what was asked to stop before."""
        return self._stopping if action == "kill" else True

    def action_background(self) -> None:
        """Leave; the workers are in sessions of their own."""
        self.app.exit()

    def action_stop(self) -> None:
        """Ask the workers to stop, and leave when they have."""
        if not self._stopping:
            self._stopping = True
            self._say(_STOPPING)
            self.refresh_bindings()
            self._stop()
            self._wait()

    def action_kill(self) -> None:
        """Do not wait for the checkpoint."""
        for run in self._alive:
            supervisor.kill(run)

    @work(thread=True)
    def _stop(self) -> None:
        for run in self._alive:
            supervisor.send(run, Control.STOP)

    def _wait(self) -> None:
        """Look again and again; a thread that waited would hold the end of the app up."""
        self._late = time.monotonic() + STOP_PATIENCE
        self.set_interval(0.2, self._leave_if_gone)

    def _leave_if_gone(self) -> None:
        if not any(run.is_alive() for run in self._alive):
            self.app.exit()
        elif time.monotonic() > self._late:
            self._say(_LATE)

    def _say(self, text: str) -> None:
        note = self.query_one(".note", Static)
        note.display = True
        note.update(text)
