"""What a run came to, by its validations: learnt, overfitted, or no better than the model was.

Where the training loss rose with them, that is no overfitting: it diverged.
"""

from __future__ import annotations

from math import ceil, inf, isfinite
from statistics import median
from typing import Literal, NamedTuple

from farense_worker.protocol.messages import events
from farense_worker.protocol.messages.events import number

from farense_tui.engine.record.state import RunState

_WORSE, _WORSE_AT_LEAST = 1.04, 0.01  # times the best loss, and nats above it
_ROSE, _STEPS = 1.3, 15  # times the training loss at the best validation, a median of steps

Kind = Literal["learnt", "overfitted", "diverged", "unlearnt", "unknown"]


class Verdict(NamedTuple):
    """Kind, and the validations that it rests on.

    first: of the model as it came, None where the record does not tell it; best: of the adapter
    that is kept; last: the newest one.
    """

    kind: Kind
    first: events.Validation | None = None
    best: events.Validation | None = None
    last: events.Validation | None = None

    @property
    def is_good(self) -> bool:
        """Whether there is nothing to be said against it."""
        return self.kind in ("learnt", "unknown")

    @property
    def steps_in_vain(self) -> int:
        """Steps done after the best one."""
        return self.last.step - self.best.step if self.last and self.best else 0

    @property
    def epochs_needed(self) -> int:
        """Whole epochs to the best one."""
        return max(1, ceil(self.best.epoch - 1e-9)) if self.best else 1


def named(status: str, state: RunState) -> str:
    """Name for people how a run is, from what `runs.describe.status` says: see status_words.

    One that ended as it should and came to nothing good is named by that. One that early stopping
    has ended did what it was for.
    """
    if status == "completed" and not (came_to := verdict(state)).is_good:
        return came_to.kind
    return status


def is_worse(loss: float, best: float) -> bool:
    """Whether a validation is clearly worse than the best one, more than by chance."""
    return loss >= _WORSE * best + _WORSE_AT_LEAST


def still_falls(state: RunState) -> bool:
    """Whether the newest validation is clearly better than the one before: more steps may help."""
    trained = [number(each.loss) for each in state.validations if each.step]
    return len(trained) > 1 and is_worse(trained[-2], trained[-1])


def verdict(state: RunState) -> Verdict:
    best, validations = state.best, state.validations
    if best is None or best.loss is None or not validations:
        return Verdict("unknown")
    first = validations[0] if validations[0].step == 0 else None
    last = validations[-1]
    kind: Kind = "learnt"
    if first and best.loss >= (inf if first.loss is None else first.loss):
        kind = "unlearnt"
    elif last.step > best.step and is_worse(number(last.loss), best.loss):
        kind = "diverged" if _rose(state, best.step) else "overfitted"
    return Verdict(kind, first, best, last)


def _rose(state: RunState, best: int) -> bool:
    """Whether the training loss is clearly higher at the end than it was at the best step."""
    ends = (state.loss.until(best).tail(_STEPS), state.loss.tail(_STEPS))
    then, now = ([loss for loss in end if isfinite(loss)] for end in ends)
    return bool(then and now) and median(now) > _ROSE * median(then)
