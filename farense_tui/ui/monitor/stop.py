"""Stopping a run is asked about first; killing it is offered only where it is late in stopping."""

from __future__ import annotations

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.record.state import RunState
from farense_tui.engine.runs import describe
from farense_tui.engine.runs.supervisor import STOP_PATIENCE
from farense_tui.ui.common.dialogs import Answer, AskDialog

YES = "y"  # not the key that asks: a key that is held down repeats
_LOOK_AGAIN = 0.5


class StopDialog(AskDialog):
    """Gives YES, or "" for staying. It goes by itself when the run ends under it."""

    def __init__(self, folder: RunFolder, state: RunState, late: float = 0.0) -> None:
        """Ask whether the run is to stop; to be killed, if it is `late` by so many seconds."""
        self._folder = folder
        if late:
            title = _("{name} has not stopped for {seconds:.0f} s").format(
                name=folder.name, seconds=late
            )
            super().__init__(title, _lost(folder, state), [Answer(YES, _("kill it"))])
        else:
            title = _("Stop {name}?").format(name=folder.name)
            super().__init__(title, _kept(state), [Answer(YES, _("stop it"))])

    def on_mount(self) -> None:
        super().on_mount()
        self.set_interval(_LOOK_AGAIN, self._go_with_the_run)

    def _go_with_the_run(self) -> None:
        if not self._folder.is_alive():
            self.dismiss("")


def lateness(asked_at: float | None, state: RunState, now: float) -> float | None:
    """Seconds since the worker was asked to stop, 0 while it may still take its time.

    None if it was not asked. `asked_at` is when that was done here; the record tells of others.
    """
    if asked_at is None and state.phase != "stopping":
        return None
    since = now - (state.phase_since if asked_at is None else asked_at)
    return since if since > STOP_PATIENCE else 0.0


def patience() -> str:
    """What to say to someone who asks again before the worker is late."""
    told = _("It is stopping. After {seconds:.0f} s without an end it can be killed.")
    return told.format(seconds=STOP_PATIENCE)


def _kept(state: RunState) -> str:
    if not state.step and state.phase != "training":
        return _("It has not begun to train: nothing is lost.")
    told = _("It finishes step {step}, saves and ends. It can be resumed from there.")
    return told.format(step=state.step + (state.phase == "training"))


def _lost(folder: RunFolder, state: RunState) -> str:
    step, unseen = describe.resume_step(folder)
    if unseen:
        return describe.in_line(unseen)
    kept = step or 0
    lost = max(0, state.step - kept)
    if not lost:
        return _("Its step may just be a long one. Nothing before it would be lost.")
    return ngettext(
        "Its step may just be a long one. Killed, it loses {n} step, done since step {kept} was "
        "saved.",
        "Its step may just be a long one. Killed, it loses {n} steps, done since step {kept} was "
        "saved.",
        lost,
    ).format(n=lost, kept=kept)
