"""The log of a run as a person reads it: one entry for each event that is worth a line."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Literal, NamedTuple

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages import events
from farense_worker.protocol.messages.events import number

from farense_tui.engine import format as show

Kind = Literal[
    "step", "validation", "checkpoint", "sample", "phase", "info", "warning", "error", "end"
]
_KEPT = 1000
# The others are over in moments and leave a line of their own: a loss, a path, an answer.
_PHASES = {
    "starting": _("the worker starts"),
    "downloading": _("downloading the model"),
    "loading_model": _("loading the model"),
    "precomputing": _("computing the frozen layers once"),
    "tokenizing": _("turning the texts into tokens"),
    "paused": _("paused"),
    "stopping": _("stopping: finishing the step and saving"),
}
_ENDS = {
    "completed": _("completed at step {step}"),
    "stopped": _("stopped by the user at step {step}"),
    "early_stopping": _("stopped early: the validation loss no longer falls at step {step}"),
}


_BEST = "  " + _("best so far")
_CACHED = "  " + _("known from an earlier run")


class Entry(NamedTuple):
    """One entry. `number` counts up from 1, also over entries that are no longer kept."""

    number: int
    time: float
    kind: Kind
    text: str


class Noted(NamedTuple):
    """An event that has an entry; `text` where that depends on what came before."""

    number: int
    event: events.AnyEvent
    text: str = ""


class Journal:
    """Collects the newest entries. Texts are made when they are asked for, not before."""

    def __init__(
        self,
        log_every: int = 10,
        noted: Iterable[Noted] = (),
        count: int = 0,
        paused: bool = False,
    ) -> None:
        """A line for every `log_every`th step. The rest is what `noted` of another one gave."""
        self.entries: tuple[Entry, ...] = ()
        self._log_every = log_every
        self._kept: deque[Noted] = deque(noted, maxlen=_KEPT)
        self._count = count
        self._paused = paused

    def add(self, event: events.AnyEvent) -> None:
        """Take an event in."""
        match event:
            case events.Step():
                self.add_steps([event])
            case events.Phase():
                if text := self._phase(event):
                    self._note(event, text)
            case events.Heartbeat() | events.Progress():
                pass
            case _:
                self._note(event)

    def add_steps(self, steps: list[events.Step]) -> None:
        """Take steps in; only the newest are looked at where there are more than are kept."""
        logged = [step for step in steps if step.step % self._log_every == 0]
        self._count += len(logged[:-_KEPT])
        for step in logged[-_KEPT:]:
            self._note(step)

    def publish(self) -> tuple[Entry, ...]:
        """Give what is kept; the same tuple for as long as nothing came."""
        known = self.entries[-1].number if self.entries else 0
        if self._count != known:
            new = [_entry(each) for each in self._kept if each.number > known]
            self.entries = (*self.entries, *new)[-_KEPT:]
        return self.entries

    def noted(self) -> tuple[tuple[Noted, ...], int, bool]:
        """What another one needs to go on from here."""
        return tuple(self._kept), self._count, self._paused

    def _note(self, event: events.AnyEvent, text: str = "") -> None:
        self._count += 1
        self._kept.append(Noted(self._count, event, text))

    def _phase(self, event: events.Phase) -> str | None:
        text = _PHASES.get(event.name)
        if self._paused and text is None:
            text = _("continued")
        self._paused = event.name == "paused"
        return text


def _entry(noted: Noted) -> Entry:
    kind, text = _line(noted.event)
    return Entry(noted.number, noted.event.time, kind, noted.text or text)


def _line(event: events.AnyEvent) -> tuple[Kind, str]:
    match event:
        case events.Step():
            return "step", _step(event)
        case events.Validation():
            return "validation", _validation(event)
        case events.Checkpoint():
            return "checkpoint", _checkpoint(event)
        case events.Sample():
            return "sample", f"{clean(event.prompt)} → {clean(event.text)}"
        case events.Notice():
            return event.level, clean(f"{event.message} {event.hint}")
        case events.RunStarted():
            return "phase", _started(event)
        case events.RunStopped():
            return "end", _ENDS[event.reason].format(step=event.step)
        case events.RunFailed():
            text = _("failed at step {step}: {what}").format(step=event.step, what=event.title)
            return "error", clean(text)
        case _:
            return "phase", ""


def _step(event: events.Step) -> str:
    return _("step {step:>6}  loss {loss}  lr {rate}  {speed} tok/s").format(
        step=event.step,
        loss=show.loss(number(event.loss)),
        rate=show.rate(event.learning_rate),
        speed=show.speed(event.tokens_per_second),
    )


def _validation(event: events.Validation) -> str:
    text = _("step {step:>6}  validation loss {loss}  perplexity {perplexity:.4g}").format(
        step=event.step,
        loss=show.loss(number(event.loss)),
        perplexity=number(event.perplexity),
    )
    return text + (_BEST if event.best else "") + (_CACHED if event.cached else "")


def _checkpoint(event: events.Checkpoint) -> str:
    text = _("step {step:>6}  checkpoint, {size} in {seconds:.1f} s").format(
        step=event.step, size=show.size(event.bytes), seconds=event.seconds
    )
    return text + (_BEST if event.best else "")


def _started(event: events.RunStarted) -> str:
    text = (
        _(
            "resumed after step {from_step} on {device}: {trainable} of {total} parameters, "
            "{steps} steps"
        )
        if event.resumed_from_step
        else _("started on {device}: {trainable} of {total} parameters, {steps} steps")
    )
    return clean(
        text.format(
            from_step=event.resumed_from_step,
            device=event.device,
            trainable=show.count(event.trainable_parameters),
            total=show.count(event.total_parameters),
            steps=event.total_steps,
        )
    )
