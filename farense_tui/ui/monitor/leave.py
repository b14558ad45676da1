"""Leaving while runs go on that were started here, or one that is on the screen."""

from __future__ import annotations

import time
from typing import ClassVar

from farense_worker.protocol.clean_text import printable
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.run_folder import RunFolder
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from farense_tui.engine.readable import from_here
from farense_tui.engine.runs import supervisor
from farense_tui.engine.runs.describe import is_paused
from farense_tui.engine.runs.supervisor import STOP_PATIENCE, Control
from farense_tui.ui.common.dialogs import Dialog, answer

_LOOK_AGAIN = 0.2
_STOPPING = _("Finishing the step and saving a checkpoint. Then the app ends.")
_LATE = _("Not stopped yet. It goes on trying; b leaves it to that, x kills it.")


class LeaveDialog(Dialog[None]):
    """Leave the runs in the background, stop them, or stay. The question follows the runs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "background", _("Leave in the background")),
        Binding("s", "stop", _("Stop and leave")),
        Binding("x", "kill", _("Kill and leave")),
        Binding("q", "leave", _("Leave")),
        Binding("escape", "dismiss", _("Stay")),
    ]

    def __init__(self, runs: list[RunFolder]) -> None:
        """Ask about these, all of them alive."""
        super().__init__(classes="dialog")
        self._runs = runs
        self._alive = runs
        self._paused = [run for run in runs if is_paused(run)]
        self._stopping = False
        self._late = 0.0
        self._said_late = False

    def compose(self) -> ComposeResult:
        """The question and the ways to answer it."""
        with VerticalGroup(classes="box"):
            yield Static(classes="title", markup=False)
            yield OptionList(compact=True)
            yield Static(classes="note", markup=False)

    def on_mount(self) -> None:
        """Ask, and look again and again whether that is still the question.

        A thread that waited for the end would hold the end of the app up.
        """
        self._ask()
        self.set_interval(_LOOK_AGAIN, self._follow)

    def _ask(self) -> None:
        """Say what is so, and what can be done about it."""
        n = len(self._alive)
        names = _names(self._alive or self._runs)
        if n:
            title = ngettext("{names} is being trained", "{names} are being trained", n)
            leave = ngettext(
                "leave, it goes on in the background", "leave, they go on in the background", n
            )
            if self._paused == self._alive:
                title = ngettext("{names} is paused", "{names} are paused", n)
                leave = ngettext("leave, it stays paused", "leave, they stay paused", n)
            elif self._paused:
                leave += " " + _("({names} paused)").format(names=_names(self._paused))
            stop = ngettext(
                "stop it with a checkpoint, then leave",
                "stop them with a checkpoint, then leave",
                n,
            )
            answers = {"background": answer("b", leave), "stop": answer("s", stop)}
        else:
            title = ngettext("{names} has ended", "{names} have ended", len(self._runs))
            answers = {"leave": answer("q", _("leave the app"))}
        if self._is_late:
            answers["kill"] = answer("x", _("kill it, then leave: what is not saved is lost"))
        answers["dismiss"] = answer("esc", _("stay"))
        self.query_one(".title", Static).update(title.format(names=names))
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options(Option(prompt, id=action) for action, prompt in answers.items())
        options.highlighted = len(answers) - 1

    async def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        """Do what was chosen with enter or the mouse, as its key does."""
        message.stop()
        await self.run_action(str(message.option.id))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Kill only what is late in stopping; ask nothing of what has ended."""
        if action in ("background", "stop"):
            return bool(self._alive)
        return self._is_late if action == "kill" else True

    @property
    def _is_late(self) -> bool:
        return self._stopping and bool(self._alive) and time.monotonic() > self._late

    def action_leave(self) -> None:
        """Leave where nothing goes on any more; else stay, as q did not mean to ask twice."""
        if self._alive:
            self.dismiss()
        else:
            self.app.exit()

    def action_background(self) -> None:
        """Leave; the workers are in sessions of their own. The shell shows the way back."""
        goes_on = _("{name} goes on. Back to it: farense-tui attach {name}")
        paused = _("{name} is paused, and stays so. Back to it: farense-tui attach {name}")
        ways = [
            (paused if run in self._paused else goes_on).format(name=from_here(str(run.path)))
            for run in self._alive
        ]
        # Textual prints it itself, when the app is gone
        self.app.exit(message=Text(printable("\n".join(ways))))

    def action_stop(self) -> None:
        """Ask the workers to stop, and leave when they have."""
        if not self._stopping:
            self._stopping = True
            self._late = time.monotonic() + STOP_PATIENCE
            self._say(_STOPPING)
            self._stop()

    def action_kill(self) -> None:
        self._reach(None)

    @work(thread=True)
    def _stop(self) -> None:
        self._reach(Control.STOP)

    def _reach(self, control: Control | None) -> None:
        """Ask all of them, or kill them; what cannot be reached is not waited for."""
        for run in list(self._alive):
            try:
                supervisor.ask(run, control)
            except FarenseError:
                self._alive.remove(run)

    def _follow(self) -> None:
        alive, late = [run for run in self._runs if run.is_alive()], self._is_late
        if self._stopping and not alive:
            self.app.exit()
        elif alive != self._alive or (late and not self._said_late):
            self._alive = alive
            self._paused = [run for run in self._paused if run in alive]
            self._said_late = late
            if late:
                self._say(_LATE)
            self._ask()
            self.refresh_bindings()

    def _say(self, text: str) -> None:
        note = self.query_one(".note", Static)
        note.display = True
        note.update(text)


def _names(runs: list[RunFolder]) -> str:
    return ", ".join(run.name for run in runs)
