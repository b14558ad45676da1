"""What a rule finds, and what can be done about it on one key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from farense_tui.engine.health.facts import Facts

Severity = Literal["alarm", "warning", "note"]
Deed = Literal["change", "stop", "kill", "resume", "stacks"]


@dataclass(frozen=True)
class Action:
    """A remedy that the app can apply.

    change: stop the worker with a checkpoint, change these settings, go on; from the checkpoint of
    step `back_to`, if that is not None, and without the later ones. `label` says it, `how` what is
    changed ("with ...").
    """

    deed: Deed
    label: str
    changes: tuple[tuple[str, Any], ...] = ()
    back_to: int | None = None
    how: str = ""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a run, or slow and not wrong: told with its evidence."""

    rule: str
    severity: Severity
    title: str
    evidence: str
    remedy: str
    action: Action | None = None
    since: float = 0.0  # Unix seconds, when it was first found


Found = tuple[Severity, str, str, str] | tuple[Severity, str, str, str, Action | None]


@dataclass(frozen=True)
class Rule:
    """A rule: pure, cheap, of a cost that does not grow with the run.

    `when` is what it finds and `remedy` what it advises, for docs/monitor.md.
    """

    name: str
    when: str
    remedy: str
    find: Callable[[Facts], Found | None]

    def __call__(self, facts: Facts) -> Finding | None:
        found = self.find(facts)
        return Finding(self.name, *found) if found else None


def rule(name: str, when: str, remedy: str) -> Callable[[Callable[[Facts], Found | None]], Rule]:
    """Make a rule of a function that gives severity, title, evidence, remedy, and an action."""
    return lambda find: Rule(name, when, remedy, find)
