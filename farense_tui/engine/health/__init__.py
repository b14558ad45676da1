"""Health: rules over the state of a run that name what is wrong, by what sign, and the remedy.

`examine` applies all rules to one moment. `observe.Observer` gathers the moments of a live run.
"""

from __future__ import annotations

from farense_tui.engine.health import learning, machine, stalls, why_it_died
from farense_tui.engine.health.facts import Facts
from farense_tui.engine.health.finding import Action, Finding, Rule, Severity

__all__ = ["RULES", "SEVERITIES", "Action", "Facts", "Finding", "Rule", "Severity", "examine"]

RULES: tuple[Rule, ...] = (*why_it_died.RULES, *stalls.RULES, *learning.RULES, *machine.RULES)
SEVERITIES: tuple[Severity, ...] = ("alarm", "warning", "note")


def examine(facts: Facts) -> tuple[Finding, ...]:
    """Give what the rules find, the most severe first; nothing of a run that ended well."""
    if not facts.alive and facts.status not in ("failed", "killed", "lost"):
        return ()
    found = [finding for rule in RULES if (finding := rule(facts))]
    return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))
