"""Several runs beside each other: what each came to, and the settings in which they differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import pgettext
from farense_worker.protocol.settings.fields import SETTINGS
from farense_worker.protocol.settings.profile import Config

from farense_tui.engine import readable as show
from farense_tui.engine import status_words
from farense_tui.engine.record import setting_changes, verdict
from farense_tui.engine.runs.describe import RunSummary
from farense_tui.engine.runs.watch import Snapshot

_PARTS = (1, 2, 3, 1000)  # of a path: no more are told than tell two apart


class Row(NamedTuple):
    """One line of the comparison: a value for each run. `best` counts the run that is ahead."""

    label: str
    values: tuple[str, ...]
    best: int | None = None


def results(runs: Sequence[Snapshot]) -> list[Row]:
    """Give what each run came to.

    Losses over different labels (other rows, another mask, other tokens) are no race: then none is
    ahead, and the labels are told.
    """
    states = [run.state for run in runs]
    best = [state.best.loss if state.best else None for state in states]
    labels = [state.best.tokens if state.best else None for state in states]
    alike = len({each for each in labels if each is not None}) < 2
    at = _("{loss} at {step}")
    told = [
        at.format(loss=show.loss(s.best.loss), step=s.best.step) if s.best else "" for s in states
    ]
    return [
        Row(_("state"), tuple(_state(run) for run in runs)),
        Row(_("steps"), tuple(_steps(state.step, state.total_steps) for state in states)),
        Row(
            _("best validation"),
            tuple(text or show.UNKNOWN for text in told),
            _least(best) if alike else None,
        ),
        *([] if alike else [Row(_("labels of it"), tuple(map(_labels, labels)))]),
        Row(_("newest loss"), tuple(show.loss(state.loss.last) for state in states)),
        Row(_("tokens a second"), tuple(show.speed(state.usual_speed) for state in states)),
        Row(_("time"), tuple(show.duration(state.elapsed or None) for state in states)),
        Row(_("peak of MLX"), tuple(show.size(s.highest_peak or None) for s in states)),
    ]


def differences(runs: Sequence[Snapshot | RunSummary]) -> list[Row]:
    """The settings that are not the same in all runs; a run without a readable one has a dash.

    One that was changed on the way has all its values, as `0.004 → 0.001`.
    """
    rows, before = [], [_before(run) for run in runs]
    for section, keys in SETTINGS.items():
        for key in keys:
            told = (
                tuple(
                    _values(run, then.get(f"{section}.{key}", ()), section, key, parts)
                    for run, then in zip(runs, before, strict=True)
                )
                for parts in _PARTS
            )
            if section != "profile" and (found := next(filter(_differ, told), None)):
                rows.append(Row(f"{section}.{key}", found))
    return rows


def _differ(values: tuple[str, ...]) -> bool:
    return len(set(values) - {show.UNKNOWN}) > 1


def _state(run: Snapshot) -> str:
    return status_words.status(verdict.named(run.status, run.state))


def _steps(step: int, total: int) -> str:
    return _("{done} of {total}").format(done=step, total=total) if total else show.UNKNOWN


def _least(losses: Sequence[float | None]) -> int | None:
    known = [(loss, at) for at, loss in enumerate(losses) if loss is not None]
    return min(known)[1] if len(known) > 1 else None


def _labels(count: int | None) -> str:
    return show.UNKNOWN if count is None else show.tokens(count)


def _before(run: Snapshot | RunSummary) -> dict[str, list[Any]]:
    """Give the values that each setting had until a resume changed it."""
    found: dict[str, list[Any]] = {}
    for resume in setting_changes.resumes(run.state.segments):
        for change in resume.changed:
            found.setdefault(change.name, []).append(change.before)
    return found


def _values(
    run: Snapshot | RunSummary, then: Sequence[Any], section: str, key: str, parts: int
) -> str:
    """Give a setting of a run, after the values that it had before.

    parts: of a path or of a repository's name that are told, from its end.
    """
    told = [clean(_text(value, parts)) for value in then]
    return " → ".join([*told, _value(run.config, section, key, parts)])


def _value(config: Config | None, section: str, key: str, parts: int) -> str:
    if config is None:
        return show.UNKNOWN
    return clean(_text(getattr(getattr(config, section), key), parts))


def _text(value: Any, parts: int) -> str:
    if isinstance(value, bool):
        return pgettext("setting", "on") if value else pgettext("setting", "off")
    if isinstance(value, tuple | list):
        return " ".join(map(str, value)) or pgettext("setting", "none")
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    if "/" in text:
        return str(PurePath(*PurePath(text).parts[-parts:]))
    return text or pgettext("setting", "none")
