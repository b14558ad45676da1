"""Which keys are ours: what the help and the command palette tell of."""

from __future__ import annotations

from textual.binding import Binding, BindingsMap


def own_bindings(kind: type) -> list[Binding]:
    """Bindings by our classes, the nearest class's for each key; Textual's are usual editing."""
    by_key: dict[str, list[Binding]] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("farense_tui"):
            by_key |= BindingsMap(vars(base).get("BINDINGS", ())).key_to_bindings
    return [binding for bindings in by_key.values() for binding in bindings]


def own_actions(kind: type) -> set[str]:
    """Actions bound by our classes."""
    return {binding.action for binding in own_bindings(kind)}
