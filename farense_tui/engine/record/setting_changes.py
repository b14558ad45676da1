"""Where a run went on anew, and what was changed for it by what each worker said at its start."""

from __future__ import annotations

from collections.abc import Container, Iterable
from itertools import pairwise
from typing import Any, NamedTuple

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.events import RunStarted
from farense_worker.protocol.settings import recipe

from farense_tui.engine.record.superseded import owners

CHANGED = "Δ"  # the sign of a resume with other settings
RESUMED = "┊"
ROLLED_BACK = "«"
_LONGEST = 24  # characters of a value, the rest is left out


class Change(NamedTuple):
    """A setting, by `section.key`, and its values; `ranks` counts processes."""

    name: str
    before: Any
    after: Any

    def __str__(self) -> str:
        """A few words: `learning_rate 0.0002 → 0.0001`; of [train] the key alone."""
        name = clean(self.name.removeprefix("train."))
        return f"{name} {_shown(self.before)} → {_shown(self.after)}"


class Resume(NamedTuple):
    """Where a run went on after `step`: another worker, or the same one after a rollback."""

    step: int
    changed: tuple[Change, ...] = ()
    rolled_back: bool = False

    @property
    def sign(self) -> str:
        return CHANGED if self.changed else ROLLED_BACK if self.rolled_back else RESUMED

    @property
    def title(self) -> str:
        return _("rolled back") if self.rolled_back else _("resumed")

    @property
    def words(self) -> str:
        """The changes in a few words; empty if there are none."""
        return ", ".join(map(str, self.changed))


def resumes(workers: Iterable[RunStarted], rollbacks: Container[int] = ()) -> tuple[Resume, ...]:
    """Give the places on a run's curves at which it went on anew.

    rollbacks: `seq` of those of `workers` that are no new process.
    """
    return tuple(
        Resume(after.resumed_from_step, tuple(between(before, after)), after.seq in rollbacks)
        for before, after in pairwise(owners(workers))
    )


def between(before: RunStarted, after: RunStarted) -> list[Change]:
    """Give what was changed from one worker to the next, as far as both tell."""
    found = [
        Change(name, before.settings[name], value)
        for name, value in after.settings.items()
        if name in before.settings and before.settings[name] != value
    ]
    if before.ranks != after.ranks:
        found.append(Change("ranks", before.ranks, after.ranks))
    return found


def rate_factor(workers: Iterable[RunStarted], rollbacks: Container[int] = ()) -> float:
    """Share of train.learning_rate that the rollbacks since it was set have left.

    rollbacks: as for `resumes`.
    """
    factor, before = 1.0, None
    for worker in workers:
        rate = worker.settings.get("train.learning_rate")
        if worker.seq in rollbacks:
            factor /= 2
        elif rate != before:
            factor = 1.0
        before = rate
    return factor


def as_fast(before: RunStarted, after: RunStarted) -> bool:
    """Whether nothing is known to differ that would make the one slower than the other."""
    if not (before.settings and after.settings):
        return False
    machine = (before.device, before.versions) == (after.device, after.versions)
    return machine and all(
        change.name in recipe.TOLD or change.name.startswith(("checkpoint.", "report."))
        for change in between(before, after)
    )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    text = clean(", ".join(map(str, value)) if isinstance(value, list) else str(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
