"""What the user has asked of a worker, until the record shows that it has come to pass."""

from __future__ import annotations

from typing import Literal, NamedTuple

from farense_worker.protocol.language import gettext as _

from farense_tui.engine.runs.supervisor import STOP_PATIENCE, Control
from farense_tui.engine.runs.watch import Snapshot

Wish = Literal["pause", "continue", "checkpoint", "stop", "kill", "resume", "change"]

CONTROLS: dict[Wish, Control] = {
    "pause": Control.PAUSE,
    "continue": Control.CONTINUE,
    "checkpoint": Control.CHECKPOINT,
    "stop": Control.STOP,
}
_SAYS: dict[Wish, str] = {
    "pause": _("pausing after this step"),
    "continue": _("going on"),
    "checkpoint": _("a checkpoint after this step"),
    "stop": _("stopping: finishing the step and saving"),
    "kill": _("killing it"),
    "resume": _("starting the worker"),
    "change": _("finishing the step; then it goes on with what was changed"),
}
_PATIENCE = 15.0  # seconds after which a wish that nobody answered is no longer shown


class Asked(NamedTuple):
    """A wish, when it was made, and what there had been by then.

    before: the newest checkpoint's step; of a change, the first event of the worker that ends.
    """

    wish: Wish
    time: float
    before: int = 0

    def says(self, now: float) -> str:
        if self.wish == "stop" and now - self.time > STOP_PATIENCE:
            late = _("it has not stopped for {seconds:.0f} s; s offers to kill it")
            return late.format(seconds=now - self.time)
        if self.wish == "change" and now - self.time > STOP_PATIENCE:
            late = _("it has not finished its step for {seconds:.0f} s; s offers to kill it")
            return late.format(seconds=now - self.time)
        return _SAYS[self.wish]

    def settled(self, snapshot: Snapshot) -> bool:
        """Whether it has come to pass, or has been waited for long enough."""
        phase = snapshot.state.phase
        if self.wish == "change":
            return snapshot.alive and snapshot.state.worker_seq > self.before
        if self.wish == "resume":
            done = snapshot.alive and bool(phase) and snapshot.state.last_time > self.time
        elif not snapshot.alive:
            done = True
        elif self.wish in ("stop", "kill"):
            return False
        else:
            done = {
                "pause": phase == "paused",
                "continue": phase != "paused",
                "checkpoint": phase == "saving" or newest(snapshot) > self.before,
            }[self.wish]
        return done or snapshot.now - self.time > _PATIENCE


def newest(snapshot: Snapshot) -> int:
    """Step of the newest checkpoint."""
    checkpoints = snapshot.state.checkpoints
    return checkpoints[-1].step if checkpoints else 0
