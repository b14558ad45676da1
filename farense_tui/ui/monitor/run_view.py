"""What the head of the monitor says, made from a snapshot: pure, so that every case is tested."""

from __future__ import annotations

import time
from math import isfinite
from statistics import median
from typing import NamedTuple

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages import events
from farense_worker.protocol.settings.profile import Report

from farense_tui.engine import readable, status_words
from farense_tui.engine.readable import duration, part
from farense_tui.engine.record.state import RunState
from farense_tui.engine.record.time_left import remaining_seconds
from farense_tui.engine.runs.watch import Snapshot
from farense_tui.ui.common.status import Look, look

_LATE, _LATE_AT_LEAST = 4.0, 6.0  # times the usual step, and seconds: then it is worth a word
_NEWEST = 20  # steps
_STEADY = 0.01  # of the loss
_DAY = 20 * 3600.0  # seconds: what is later is told with its day
_WEEK = 6 * 86400.0  # and with its date where the same day of the week comes twice
_DAYS = (_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun"))
SILENCE = 10.0  # seconds; a heartbeat comes every two


class RunView(NamedTuple):
    """The words and figures of the head. `why` is the sentence on what goes on just now."""

    name: str
    sign: str
    word: str
    style: str
    why: str
    why_style: str
    done: int
    total: int
    progress: str
    step: int
    total_steps: int
    epoch: float
    epochs: int
    elapsed: str
    left: str
    done_at: str
    loss: float | None
    trend: str
    validation: float | None
    best_loss: float | None
    best_step: int | None


def view(snapshot: Snapshot, asked: str = "") -> RunView:
    """Describe a run. `asked` is what the user has just asked for and is not there yet."""
    state, config = snapshot.state, snapshot.config
    sign, word, style = _state(snapshot)
    why, why_style = _why(snapshot, asked)
    progress = state.progress if snapshot.alive else None
    running = snapshot.alive and state.phase != "paused"
    left = remaining_seconds(state, config.report if config else Report())
    done_at = clock_at(snapshot.now, left) if running and left is not None else ""
    best = state.best
    return RunView(
        name=snapshot.folder.name,
        sign=sign,
        word=word,
        style=style,
        why=why,
        why_style=why_style,
        done=progress.done if progress else 0,
        total=progress.total if progress else 0,
        progress=_progress(state) if progress else "",
        step=state.step,
        total_steps=state.total_steps,
        epoch=state.epoch,
        epochs=config.train.epochs if config else 0,
        elapsed=duration(_elapsed(snapshot)) if state.first_time else "",
        left=duration(left) if done_at else "",
        done_at=done_at,
        loss=_level(state) if running else state.loss.last,
        trend=_trend(state) if running else "",
        validation=state.validations[-1].loss if state.validations else None,
        best_loss=best.loss if best else None,
        best_step=best.step if best else None,
    )


def _level(state: RunState) -> float | None:
    """The training loss as it is by now: a single step's jumps about."""
    newest = [loss for loss in state.loss.tail(_NEWEST) if isfinite(loss)]
    return median(newest) if newest else state.loss.last


def _trend(state: RunState) -> str:
    """Where the training loss is going, as an arrow; empty while there are too few steps."""
    losses = [loss for loss in state.loss.tail(2 * _NEWEST) if isfinite(loss)]
    if len(losses) < _NEWEST:
        return ""
    before, after = median(losses[: len(losses) // 2]), median(losses[len(losses) // 2 :])
    if abs(after - before) <= _STEADY * abs(before):
        return "→"
    return "↓" if after < before else "↑"


def clock_at(now: float, left: float) -> str:
    """When it will be done; with the day of the week, or the date, where it is far off.

    Empty for no moment of this age, as the figures of a damaged record give.
    """
    if not 0 <= now + left <= events.LATEST:
        return ""
    then = time.localtime(now + left)
    clock = time.strftime("%H:%M", then)
    if left < _DAY:
        return clock
    day = _DAYS[then.tm_wday] if left < _WEEK else time.strftime("%Y-%m-%d", then)
    return f"{day} {clock}"


def _state(snapshot: Snapshot) -> Look:
    """Sign, word and style; a run that is being trained is named by its phase."""
    if snapshot.read < 1:
        return Look("○", _("reading the record"), "$text-muted")
    found = look(snapshot.status, snapshot.state)
    if snapshot.status != "running":
        return found
    return found._replace(word=status_words.phase(snapshot.state.phase or "starting"))


def _elapsed(snapshot: Snapshot) -> float:
    since = snapshot.now - snapshot.state.last_time if snapshot.alive else 0.0
    return snapshot.state.elapsed + max(0.0, since)


def _progress(state: RunState) -> str:
    progress = state.progress
    return part(progress.done, progress.total, progress.unit) if progress else ""


def _why(snapshot: Snapshot, asked: str) -> tuple[str, str]:
    """One sentence on what goes on, and its style; the most pressing thing first."""
    state = snapshot.state
    if asked:
        return asked, "bold $warning"
    if snapshot.read < 1:
        return readable.progress(snapshot.read, 1), "$text-muted"
    if not snapshot.alive:
        return _("r starts it") if snapshot.status == "new" else "", "$text-muted"
    silent = snapshot.now - state.last_time if state.last_time else 0.0
    if silent > SILENCE:
        told = _("no sign of life from the worker for {duration}")
        return told.format(duration=duration(silent)), "bold $error"
    if state.phase == "paused":
        return _("for {duration}; space continues").format(duration=_age(snapshot)), "$warning"
    if state.phase == "stopping":
        return _("finishing the step and saving"), "$warning"
    if not state.phase:
        return _("the worker is starting"), "$text-muted"
    if state.phase == "training":
        return _pace(snapshot)
    if state.phase == "validating" and not state.step:
        told = _("before the first step, for {duration}")
        return told.format(duration=_age(snapshot)), "$text-muted"
    return _("for {duration}").format(duration=_age(snapshot)), "$text-muted"


def _pace(snapshot: Snapshot) -> tuple[str, str]:
    """How long this step takes already, and how long they usually take."""
    state = snapshot.state
    if state.last_step is None:
        told = _("the first step is under way, for {duration}")
        return told.format(duration=_age(snapshot)), "$text-muted"
    usual = median(state.step_seconds.tail(100))
    since = snapshot.now - max(state.last_step.time, state.phase_since)
    if since > max(_LATE_AT_LEAST, _LATE * usual):
        late = _("step {step} takes {duration} already, usually {usual}").format(
            step=state.step + 1, duration=duration(since), usual=_short(usual)
        )
        return late, "bold $warning"
    if usual < 1:
        pace = _("{steps:.1f} steps a second").format(steps=1 / usual if usual else 0)
        return pace, "$text-muted"
    pace = _("{usual} a step, this one for {duration}")
    return pace.format(usual=_short(usual), duration=duration(max(0.0, since))), "$text-muted"


def _short(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else duration(seconds)


def _age(snapshot: Snapshot) -> str:
    return duration(max(0.0, snapshot.now - snapshot.state.phase_since))
