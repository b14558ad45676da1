"""What a run came to, by its validations: learnt, overfitted, or no better than the model was."""

from __future__ import annotations

from math import ceil, inf
from typing import Literal, NamedTuple

from farense_worker.protocol.messages import events
from farense_worker.protocol.messages.events import number

from farense_tui.engine.record.state import RunState

_WORSE, _WORSE_AT_LEAST = 1.04, 0.01  # times the best loss, and nats above it

Kind = Literal["learnt", "overfitted", "unlearnt", "unknown"]


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


def is_worse(loss: float, best: float) -> bool:
    """Whether a validation is clearly worse than the best one, more than by chance."""
    return loss >= _WORSE * best + _WORSE_AT_LEAST


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
        kind = "overfitted"
    return Verdict(kind, first, best, last)
