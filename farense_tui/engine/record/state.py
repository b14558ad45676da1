"""The state of a run as a fold over its events.

`reduce(state, event)` is pure: the screen, the list of runs and every export read the state that
it gives, live or from a file years old.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Literal, TypeVar

from farense_worker.protocol.messages import events
from farense_worker.protocol.messages.events import Moment, Whole, number
from msgspec import Struct
from msgspec.structs import replace

from farense_tui.engine.record import unaccounted_time
from farense_tui.engine.record.series import Series
from farense_tui.engine.record.superseded import kept_until
from farense_tui.engine.record.unaccounted_time import Gap

Status = Literal["waiting", "running", "completed", "stopped", "early_stopping", "failed"]

T = TypeVar("T")
_KEPT = 500  # newest notices, samples and checkpoints that the state holds
_VALIDATIONS = 2000  # newest validations; `validation_loss` and `best` know of all


class RunState(Struct, frozen=True, kw_only=True):
    """All that is known of a run from its events. Memory in bytes, times in Unix seconds.

    The bounds of numbers are for one that is read from a note: no record comes to another.
    """

    run: str = ""
    status: Status = "waiting"
    phase: str = ""
    phase_since: Moment = 0.0
    progress: events.Progress | None = None
    started: events.RunStarted | None = None
    segments: tuple[events.RunStarted, ...] = ()  # one more for each rollback
    rollbacks: tuple[Whole, ...] = ()  # seq of the segments that a rollback began
    workers: Whole = 0  # that got as far as training
    first_time: Moment = 0.0
    last_time: Moment = 0.0
    worker_seq: Whole = 0  # of the newest worker's first event
    moved: Moment = 0.0  # when something was last done; a heartbeat does nothing
    gaps: tuple[Gap, ...] = ()
    # Seconds in which a worker was at it: none between two of them, none that the machine slept,
    # and none by which its clock was set.
    elapsed: float = 0.0
    last_seq: Whole = 0
    step: Whole = 0
    epoch: float = 0.0
    last_step: events.Step | None = None
    loss: Series = Series()
    learning_rate: Series = Series()
    grad_norm: Series = Series()
    tokens_per_second: Series = Series()
    step_seconds: Series = Series()
    memory: Series = Series()  # of the worker's process, over Unix seconds; so the next two
    active_memory: Series = Series()
    cache_memory: Series = Series()
    tokens_so_far: Series = Series()
    padded_tokens_so_far: Series = Series()
    seconds_so_far: Series = Series()
    validation_loss: Series = Series()
    validation_seconds: float = 0.0
    validations: tuple[events.Validation, ...] = ()
    best: events.Validation | None = None
    peak_memory: Whole = 0  # of the newest worker
    earlier_peak: Whole = 0  # of the workers before it
    heartbeat: events.Heartbeat | None = None
    checkpoints: tuple[events.Checkpoint, ...] = ()
    samples: tuple[events.Sample, ...] = ()
    notices: tuple[events.Notice, ...] = ()
    stopped: events.RunStopped | None = None
    failure: events.RunFailed | None = None
    done: events.RunStopped | None = None  # how it ended, until a resume has started to train

    @property
    def total_steps(self) -> int:
        """Steps of the whole run, 0 while it is not known."""
        return self.started.total_steps if self.started else 0

    @property
    def tokens(self) -> int:
        """Tokens of all steps, none of them counted twice."""
        return int(self.tokens_so_far.last or 0)

    @property
    def padded_tokens(self) -> int:
        """Tokens computed in all steps, padding included."""
        return int(self.padded_tokens_so_far.last or 0)

    @property
    def active_seconds(self) -> float:
        """Time that all steps took."""
        return self.seconds_so_far.last or 0.0

    @property
    def usual_speed(self) -> float | None:
        """Tokens a second over all steps; None before the first."""
        return self.tokens / self.active_seconds if self.active_seconds else None

    @property
    def highest_peak(self) -> int:
        """The most that MLX had in use in any worker of the run."""
        return max(self.peak_memory, self.earlier_peak)

    @property
    def ended(self) -> bool:
        """Whether the newest worker said that it ended."""
        return self.status in ("completed", "stopped", "early_stopping", "failed")


def reduce(state: RunState, event: events.Event) -> RunState:
    """Give the state after one more event."""
    gaps, slept = _gaps(state, event)
    state = replace(
        state,
        moved=event.time if _moves(state, event) else state.moved,
        gaps=gaps,
        elapsed=max(0.0, state.elapsed + _since_last(state, event) - slept),
        last_time=event.time,
        last_seq=event.seq,
        first_time=state.first_time or event.time,
    )
    match event:
        case events.Step():
            return _step(state, event)
        case events.Heartbeat():
            return _beat(state, event)
        case events.Phase():
            return _phase(state, event)
        case events.Progress():
            return replace(state, progress=event)
        case events.Validation():
            return _validation(state, event)
        case events.Checkpoint():
            return replace(state, checkpoints=_added(state.checkpoints, event))
        case events.Sample():
            return replace(state, samples=_added(state.samples, event))
        case events.Notice():
            return replace(state, notices=_added(state.notices, event))
        case events.RunStarted():
            return _run_started(state, event)
        case events.RunStopped():
            return replace(state, status=event.reason, stopped=event, phase="", progress=None)
        case events.RunFailed():
            return _failed(state, event)
    return state


def fold(stream: Iterable[events.Event], state: RunState | None = None) -> RunState:
    """Reduce a whole stream."""
    state = state or RunState()
    for event in stream:
        state = reduce(state, event)
    return state


def _beat(state: RunState, event: events.Heartbeat) -> RunState:
    return replace(
        state,
        heartbeat=event,
        memory=state.memory.appended(event.time, event.rss),
        active_memory=state.active_memory.appended(event.time, event.active_memory),
        cache_memory=state.cache_memory.appended(event.time, event.cache_memory),
    )


def _since_last(state: RunState, event: events.Event) -> float:
    """Seconds since the event before, 0 for a new worker's first and where the clock went back."""
    new_worker = isinstance(event, events.Phase) and event.name == "starting"
    return 0.0 if new_worker or not state.last_time else max(0.0, event.time - state.last_time)


def _moves(state: RunState, event: events.Event) -> bool:
    """Whether the event shows that something was done."""
    match event:
        case events.Heartbeat() | events.Notice():
            return False
        case events.Progress():
            before = state.progress
            return before is None or (before.done, before.total) != (event.done, event.total)
        case events.Phase():
            return event.name != state.phase or event.name == "starting"
    return True


def _gaps(state: RunState, event: events.Event) -> tuple[tuple[Gap, ...], float]:
    """The gaps with the one before this event, and the seconds of it that no worker has lived."""
    found, kept, slept = (
        unaccounted_time.find(state.last_time, state.heartbeat, state.step, [event]),
        state.gaps,
        0.0,
    )
    for gap in found:
        kept, slept = _added(kept, gap), slept + max(0.0, gap.asleep)
    return kept, slept


def _step(state: RunState, event: events.Step) -> RunState:
    at = event.step
    upto = kept_until(event, state.loss.last_step or 0)
    state = state if upto is None else _until(state, upto)
    return replace(
        state,
        step=at,
        epoch=event.epoch,
        last_step=event,
        loss=state.loss.appended(at, number(event.loss)),
        learning_rate=state.learning_rate.appended(at, event.learning_rate),
        grad_norm=state.grad_norm.appended(at, number(event.grad_norm)),
        tokens_per_second=state.tokens_per_second.appended(at, event.tokens_per_second),
        step_seconds=state.step_seconds.appended(at, event.seconds),
        tokens_so_far=_summed(state.tokens_so_far, at, event.tokens),
        padded_tokens_so_far=_summed(state.padded_tokens_so_far, at, event.padded_tokens),
        seconds_so_far=_summed(state.seconds_so_far, at, event.seconds),
        peak_memory=max(state.peak_memory, event.peak_memory),
    )


def _phase(state: RunState, event: events.Phase) -> RunState:
    if event.name == "starting":  # a new worker: what the one before it said last is over
        state = replace(
            state,
            stopped=None,
            done=state.stopped or state.done,
            failure=None,
            heartbeat=None,
            peak_memory=0,
            earlier_peak=state.highest_peak,
            status="running",
            worker_seq=event.seq,
            gaps=(),
        )
    return replace(state, phase=event.name, phase_since=event.time, progress=None, status="running")


def _failed(state: RunState, event: events.RunFailed) -> RunState:
    """A resume that was refused leaves a run complete that was so before."""
    done = state.done if state.done and state.done.reason != "stopped" else None
    status = done.reason if done else "failed"
    return replace(state, status=status, stopped=done, failure=event, phase="", progress=None)


def _run_started(state: RunState, event: events.RunStarted) -> RunState:
    upto = event.resumed_from_step
    rolled_back = bool(state.segments) and state.segments[-1].seq > state.worker_seq
    return replace(
        _until(state, upto),
        workers=state.workers + (not rolled_back),
        run=event.run,
        started=event,
        segments=(*state.segments, event),
        rollbacks=(*state.rollbacks, event.seq) if rolled_back else state.rollbacks,
        done=None,
        status="running",
        step=upto,
        epoch=state.epoch * upto / state.step if state.step else 0.0,
        last_step=state.last_step if upto == state.step else None,
    )


def _until(state: RunState, upto: int) -> RunState:
    """Take back what was told of the steps after `upto`."""
    validations = tuple(v for v in state.validations if v.step <= upto)
    return replace(
        state,
        loss=state.loss.until(upto),
        learning_rate=state.learning_rate.until(upto),
        grad_norm=state.grad_norm.until(upto),
        tokens_per_second=state.tokens_per_second.until(upto),
        step_seconds=state.step_seconds.until(upto),
        tokens_so_far=state.tokens_so_far.until(upto),
        padded_tokens_so_far=state.padded_tokens_so_far.until(upto),
        seconds_so_far=state.seconds_so_far.until(upto),
        validation_loss=state.validation_loss.until(upto),
        validations=validations,
        best=_best((state.best if state.best and state.best.step <= upto else None, *validations)),
        checkpoints=tuple(c for c in state.checkpoints if c.step <= upto),
        samples=tuple(s for s in state.samples if s.step <= upto),
    )


def _validation(state: RunState, event: events.Validation) -> RunState:
    before, best = state.validations, state.best
    if before and before[-1].step >= event.step:
        before = tuple(v for v in before if v.step < event.step)
        best = _best((best, *before)) if best and best.step < event.step else _best(before)
    return replace(
        state,
        validations=(*before[-_VALIDATIONS + 1 :], event),
        validation_loss=state.validation_loss.appended(event.step, number(event.loss)),
        validation_seconds=event.seconds,
        best=_best((best, event)),
    )


def _best(validations: Iterable[events.Validation | None]) -> events.Validation | None:
    """Find the lowest loss of a trained adapter: step 0 is the model as it came."""
    trained = [v for v in validations if v and v.step > 0 and v.loss is not None]
    return min(trained, key=lambda v: inf if v.loss is None else v.loss, default=None)


def _summed(series: Series, step: int, more: float) -> Series:
    return series.appended(step, (series.last or 0.0) + more)


def _added(kept: tuple[T, ...], new: T) -> tuple[T, ...]:
    return (*kept[-_KEPT + 1 :], new)
