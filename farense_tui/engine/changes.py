"""What was changed between two workers of a run, by what each said at its start."""

from __future__ import annotations

from typing import Any, NamedTuple

from worker.protocol import recipe
from worker.protocol.events import RunStarted

_LONGEST = 24  # characters of a value, the rest is left out


class Change(NamedTuple):
    """A setting, by `section.key`, and its values; `ranks` counts processes."""

    name: str
    before: Any
    after: Any

    def __str__(self) -> str:
        """A few words: `learning_rate 0.0002 → 0.0001`; of [train] the key alone."""
        return f"{self.name.removeprefix('train.')} {_shown(self.before)} → {_shown(self.after)}"


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
    text = ", ".join(value) if isinstance(value, list) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
