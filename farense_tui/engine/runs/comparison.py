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


class Row(NamedTuple):
    """One line of the comparison: a value for each run. `best` counts the run that is ahead."""

    label: str
    values: tuple[str, ...]
    best: int | None = None


def results(runs: Sequence[Snapshot]) -> list[Row]:
    states = [run.state for run in runs]
    best = [state.best.loss if state.best else None for state in states]
    at = _("{loss} at {step}")
    told = [
        at.format(loss=show.loss(s.best.loss), step=s.best.step) if s.best else "" for s in states
    ]
    alike = _validated_alike(runs)
    label = _("best validation") if alike else _("best validation, other rows")
    ahead = _least(best) if alike else None
    return [
        Row(_("state"), tuple(_state(run) for run in runs)),
        Row(_("steps"), tuple(_steps(state.step, state.total_steps) for state in states)),
        Row(label, tuple(text or show.UNKNOWN for text in told), ahead),
        Row(_("newest loss"), tuple(show.loss(state.loss.last) for state in states)),
        Row(_("tokens a second"), tuple(show.speed(state.usual_speed) for state in states)),
        Row(_("time"), tuple(show.duration(state.elapsed or None) for state in states)),
        Row(_("peak of MLX"), tuple(show.size(s.highest_peak or None) for s in states)),
    ]


def differences(runs: Sequence[Snapshot | RunSummary]) -> list[Row]:
    """The settings that are not the same in all runs; a run without a readable one has a dash.

    One that was changed on the way has all its values, as `0.004 → 0.001`.
    """
    before = [_before(run) for run in runs]
    rows = []
    for section, keys in SETTINGS.items():
        for key in keys:
            values = tuple(
                " → ".join([*then.get(f"{section}.{key}", []), _value(run.config, section, key)])
                for run, then in zip(runs, before, strict=True)
            )
            if section != "profile" and len(set(values) - {show.UNKNOWN}) > 1:
                rows.append(Row(f"{section}.{key}", values))
    return rows


def _state(run: Snapshot) -> str:
    return status_words.status(verdict.named(run.status, run.state))


def _steps(step: int, total: int) -> str:
    return _("{done} of {total}").format(done=step, total=total) if total else show.UNKNOWN


def _validated_alike(runs: Sequence[Snapshot]) -> bool:
    """Whether the losses are of as many labels: else the lower one says nothing of its run.

    Other rows, another tokenizer and other cuts make another number of them; more rows to train on,
    which may well be what is compared, do not.
    """
    return len({run.state.best.tokens for run in runs if run.state.best}) < 2


def _least(losses: Sequence[float | None]) -> int | None:
    known = [(loss, at) for at, loss in enumerate(losses) if loss is not None]
    return min(known)[1] if len(known) > 1 else None


def _before(run: Snapshot | RunSummary) -> dict[str, list[str]]:
    """The values that settings had until a resume changed them."""
    found: dict[str, list[str]] = {}
    for resume in setting_changes.resumes(run.state.segments):
        for change in resume.changed:
            found.setdefault(change.name, []).append(clean(_text(change.before)))
    return found


def _value(config: Config | None, section: str, key: str) -> str:
    if config is None:
        return show.UNKNOWN
    return clean(_text(getattr(getattr(config, section), key)))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return pgettext("setting", "on") if value else pgettext("setting", "off")
    if isinstance(value, tuple | list):
        return " ".join(map(str, value)) or pgettext("setting", "none")
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return PurePath(text).name if "/" in text else text or pgettext("setting", "none")
