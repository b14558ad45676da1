"""Safer settings for a run that does not fit, step by step.

How many rows go through at once is no step of it: a run takes what fits (protocol/plan/budget.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.profile import Profile, replace_setting

from farense_tui.engine.forecast.forecast import Forecast

_LAYERS = (16, 8, 4)
_LENGTHS = (384, 256, 128)
_RANKS = (8, 4)

Change = tuple[str, Any]


@dataclass(frozen=True)
class Remedy:
    """What makes a run fit: settings by `section.key`, all to be changed, and what comes of it."""

    changes: tuple[Change, ...]
    forecast: Forecast

    @property
    def words(self) -> str:
        """The changes in a line."""
        return ", ".join(_WORDS[name].format(value=value) for name, value in self.changes)


_WORDS = {
    "train.grad_checkpoint": _("gradient checkpoints"),
    "train.trunk_cache": _("frozen layers stored"),
    "lora.num_layers": _("{value} layers"),
    "train.max_seq_length": _("{value} tokens"),
    "lora.rank": _("rank {value}"),
    "model.repo": "{value}",
}


def rungs(profile: Profile) -> Iterator[tuple[Change, ...]]:
    """Go down the ladder of DESIGN.md; each rung keeps the changes of those before it."""
    made: dict[str, Any] = {}
    for change in _single(profile):
        made |= change
        yield tuple(made.items())


def _single(profile: Profile) -> Iterator[dict[str, Any]]:
    train = profile.train
    if not train.grad_checkpoint:
        yield {"train.grad_checkpoint": True}
    if train.trunk_cache == "off":
        yield {"train.trunk_cache": "auto"}
    layers = profile.lora.num_layers
    yield from ({"lora.num_layers": n} for n in _LAYERS if layers < 0 or n < layers)
    yield from ({"train.max_seq_length": n} for n in _LENGTHS if n < train.max_seq_length)
    yield from ({"lora.rank": n} for n in _RANKS if n < profile.lora.rank)
    if profile.model.fallback and profile.model.fallback != profile.model.repo:
        yield {"model.repo": profile.model.fallback}


def remedy(profile: Profile, forecast: Callable[[Profile], Forecast | None]) -> Remedy | None:
    """Find the first rung on which the run fits, else the first on which it is tight; or None.

    forecast: of a changed profile; None where nothing is known of its model.
    """
    tight: Remedy | None = None
    for changes in rungs(profile):
        changed = profile
        for name, value in changes:
            changed = replace_setting(changed, name, value)
        found = forecast(changed)
        if found and found.verdict == "fits":
            return Remedy(changes, found)
        if found and found.verdict == "tight" and tight is None:
            tight = Remedy(changes, found)
    return tight
