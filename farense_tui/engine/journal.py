"""The log of a run as a person reads it: one entry for each event that is worth a line."""

from __future__ import annotations

from collections import deque
from typing import Literal, NamedTuple

from farense_tui.engine import format as show
from farense_tui.engine.text import clean
from worker.protocol import events
from worker.protocol.events import number

Kind = Literal[
    "step", "validation", "checkpoint", "sample", "phase", "info", "warning", "error", "end"
]
_KEPT = 1000
# The others are over in moments and leave a line of their own: a loss, a path, an answer.
_PHASES = {
    "starting": "the worker starts",
    "downloading": "downloading the model",
    "loading_model": "loading the model",
    "tokenizing": "turning the texts into tokens",
    "paused": "paused",
    "stopping": "stopping: finishing the step and saving",
}
_ENDS = {
    "completed": "completed",
    "stopped": "stopped by the user",
    "early_stopping": "stopped early: the validation loss no longer falls",
}


class Entry(NamedTuple):
    """One entry. `number` counts up from 1, also over entries that are no longer kept."""

    number: int
    time: float
    kind: Kind
    text: str


class Journal:
    """Collects the newest entries."""

    def __init__(self, log_every: int = 10) -> None:
        """Start empty; a line for every `log_every`th step."""
        self.entries: tuple[Entry, ...] = ()
        self._log_every = log_every
        self._kept: deque[Entry] = deque(maxlen=_KEPT)
        self._count = 0
        self._paused = False

    def add(self, event: events.Event) -> None:
        """Take an event in."""
        for kind, text in self._lines(event):
            self._count += 1
            self._kept.append(Entry(self._count, event.time, kind, text))

    def publish(self) -> tuple[Entry, ...]:
        """Give what is kept; the same tuple for as long as nothing came."""
        if self._count != (self.entries[-1].number if self.entries else 0):
            self.entries = tuple(self._kept)
        return self.entries

    def _lines(self, event: events.Event) -> list[tuple[Kind, str]]:
        match event:
            case events.Step() if event.step % self._log_every == 0:
                return [("step", _step(event))]
            case events.Validation():
                return [("validation", _validation(event))]
            case events.Checkpoint():
                return [("checkpoint", _checkpoint(event))]
            case events.Sample():
                return [("sample", f"{clean(event.prompt)} → {clean(event.text)}")]
            case events.Notice():
                return [(event.level, clean(f"{event.message} {event.hint}"))]
            case events.Phase():
                return self._phase(event)
            case events.RunStarted():
                return [("phase", _started(event))]
            case events.RunStopped():
                return [("end", f"{_ENDS[event.reason]} at step {event.step}")]
            case events.RunFailed():
                return [("error", clean(f"failed at step {event.step}: {event.title}"))]
        return []

    def _phase(self, event: events.Phase) -> list[tuple[Kind, str]]:
        text = _PHASES.get(event.name)
        if self._paused and text is None:
            text = "continued"
        self._paused = event.name == "paused"
        return [("phase", text)] if text else []


def _step(event: events.Step) -> str:
    return (
        f"step {event.step:>6}  loss {show.loss(number(event.loss))}  "
        f"lr {show.rate(event.learning_rate)}  {show.speed(event.tokens_per_second)} tok/s"
    )


def _validation(event: events.Validation) -> str:
    best = "  best so far" if event.best else ""
    perplexity = number(event.perplexity)
    return (
        f"step {event.step:>6}  validation loss {show.loss(number(event.loss))}  "
        f"perplexity {perplexity:.4g}{best}"
    )


def _checkpoint(event: events.Checkpoint) -> str:
    best = "  best so far" if event.best else ""
    return (
        f"step {event.step:>6}  checkpoint, {show.size(event.bytes)} in {event.seconds:.1f} s{best}"
    )


def _started(event: events.RunStarted) -> str:
    verb = f"resumed after step {event.resumed_from_step}" if event.resumed_from_step else "started"
    return clean(
        f"{verb} on {event.device}: {show.count(event.trainable_parameters)} of "
        f"{show.count(event.total_parameters)} parameters, {event.total_steps} steps"
    )
