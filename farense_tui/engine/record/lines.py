"""An event as a line of text: for the log on the screen and for a run without a screen."""

from __future__ import annotations

from typing import Literal

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages import events
from farense_worker.protocol.messages.events import number

from farense_tui.engine import readable as show
from farense_tui.engine import status_words

Kind = Literal[
    "step", "validation", "checkpoint", "sample", "phase", "info", "warning", "error", "end"
]
# The others are over in moments and leave a line of their own: a loss, a path, an answer.
_PHASES = {"starting", "downloading", "loading_model", "precomputing", "tokenizing", "paused"}
_PHASES |= {"checking", "stopping"}
_BEST = "  " + _("best so far")
_CACHED = "  " + _("known from an earlier run")


def phase(name: str) -> str:
    """Say what a worker goes over to; empty for what tells of itself by its outcome."""
    return status_words.phase(name) if name in _PHASES else ""


def line(event: events.AnyEvent) -> tuple[Kind, str]:
    """Say an event in one cleaned line, empty for one that is not worth it."""
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
            return event.level, clean(_sentences(event.message, event.hint))
        case events.RunStarted():
            return "phase", _started(event)
        case events.Phase():
            return "phase", phase(event.name)
        case events.RunStopped():
            return "end", status_words.ended(event.reason, event.step)
        case events.RunFailed():
            text = _("failed at step {step}: {what}").format(step=event.step, what=event.title)
            return "error", clean(text)
        case _:
            return "phase", ""


def _sentences(message: str, hint: str) -> str:
    stop = "." if hint and message[-1:].isalnum() else ""
    return f"{message}{stop} {hint}"


def _step(event: events.Step) -> str:
    return _("step {step:>6}  loss {loss}  lr {rate}  {speed} tok/s").format(
        step=event.step,
        loss=show.loss(number(event.loss)),
        rate=show.rate(event.learning_rate),
        speed=show.speed(event.tokens_per_second),
    )


def _validation(event: events.Validation) -> str:
    text = _("step {step:>6}  validation loss {loss}  perplexity {perplexity}").format(
        step=event.step,
        loss=show.loss(number(event.loss)),
        perplexity=show.perplexity(number(event.perplexity)),
    )
    return text + (_BEST if event.best else "") + (_CACHED if event.cached else "")


def _checkpoint(event: events.Checkpoint) -> str:
    text = _("step {step:>6}  checkpoint, {size} in {seconds:.1f} s").format(
        step=event.step, size=show.size(event.bytes), seconds=event.seconds
    )
    return text + (_BEST if event.best else "")


def _started(event: events.RunStarted) -> str:
    text = (
        _("resumed after step {from_step} on {device}: {trainable} of {total} parameters, {steps}")
        if event.resumed_from_step
        else _("started on {device}: {trainable} of {total} parameters, {steps}")
    )
    return clean(
        text.format(
            from_step=event.resumed_from_step,
            device=event.device,
            trainable=show.count(event.trainable_parameters),
            total=show.count(event.total_parameters),
            steps=show.steps(event.total_steps),
        )
    )
