"""Health: rules over the state of a run that name what is wrong, by what sign, and the remedy.

`examine` applies all rules to one moment. `observe.Observer` gathers the moments of a live run.
"""

from __future__ import annotations

from farense_tui.engine.health import dead, learning, machine, result, stalls
from farense_tui.engine.health.facts import Facts
from farense_tui.engine.health.finding import Action, Finding, Rule, Severity

__all__ = ["RULES", "SEVERITIES", "Action", "Facts", "Finding", "Rule", "Severity", "examine"]

RULES: tuple[Rule, ...] = (
    *dead.RULES, *result.RULES, *stalls.RULES, *learning.RULES, *machine.RULES,
)  # fmt: skip
SEVERITIES: tuple[Severity, ...] = ("alarm", "warning", "note")


def examine(facts: Facts) -> tuple[Finding, ...]:
    """Give what the rules find, the most severe first.

    Of a run that ended as it should only what it came to.
    """
    ended_well = not facts.alive and facts.status not in ("failed", "killed", "lost")
    rules = result.RULES if ended_well else RULES
    found = [finding for rule in rules if (finding := rule(facts))]
    return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))
