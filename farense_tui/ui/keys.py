"""Which keys are ours: what the help and the command palette tell of."""

from __future__ import annotations

from textual.binding import BindingsMap


def own_actions(kind: type) -> set[str]:
    """Actions bound by our classes: what Textual binds besides is the usual editing."""
    ours = [base for base in kind.__mro__ if base.__module__.startswith("farense_tui")]
    maps = [BindingsMap(vars(base).get("BINDINGS", ())) for base in ours]
    return {binding.action for each in maps for _, binding in each}
