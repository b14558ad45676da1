"""Several runs beside each other: what each came to, and the settings in which they differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from statistics import median
from typing import Any, NamedTuple

from farense_tui.engine import format as show
from farense_tui.engine.text import clean
from farense_tui.engine.watch import Snapshot
from worker.protocol.profile import Config
from worker.protocol.settings import SETTINGS

_SPEEDS = 1000  # newest steps for the usual speed


class Row(NamedTuple):
    """One line of the comparison: a value for each run. `best` counts the run that is ahead."""

    label: str
    values: tuple[str, ...]
    best: int | None = None


def results(runs: Sequence[Snapshot]) -> list[Row]:
    """What the runs came to."""
    states = [run.state for run in runs]
    best = [state.best.loss if state.best else None for state in states]
    told = [f"{show.loss(s.best.loss)} at {s.best.step}" if s.best else "" for s in states]
    speeds = [state.tokens_per_second.tail(_SPEEDS) for state in states]
    return [
        Row("state", tuple(run.status.replace("_", " ") for run in runs)),
        Row("steps", tuple(_steps(state.step, state.total_steps) for state in states)),
        Row("best validation", tuple(text or show.UNKNOWN for text in told), _least(best)),
        Row("newest loss", tuple(show.loss(state.loss.last) for state in states)),
        Row("tokens a second", tuple(show.speed(median(s)) if s else show.UNKNOWN for s in speeds)),
        Row("time", tuple(show.duration(s.elapsed) if s.elapsed else show.UNKNOWN for s in states)),
        Row("peak of MLX", tuple(show.size(s.peak_memory or None) for s in states)),
    ]


def differences(runs: Sequence[Snapshot]) -> list[Row]:
    """The settings that are not the same in all runs; a run without a readable one has a dash."""
    configs = [run.config for run in runs]
    rows = []
    for section, keys in SETTINGS.items():
        for key in keys:
            values = tuple(_value(config, section, key) for config in configs)
            if section != "profile" and len(set(values) - {show.UNKNOWN}) > 1:
                rows.append(Row(f"{section}.{key}", values))
    return rows


def _steps(step: int, total: int) -> str:
    return f"{step} of {total}" if total else show.UNKNOWN


def _least(losses: Sequence[float | None]) -> int | None:
    known = [(loss, at) for at, loss in enumerate(losses) if loss is not None]
    return min(known)[1] if len(known) > 1 else None


def _value(config: Config | None, section: str, key: str) -> str:
    if config is None:
        return show.UNKNOWN
    return clean(_text(getattr(getattr(config, section), key)))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return PurePath(text).name if "/" in text else text or "none"
