"""The keys, taken from the bindings of the screen below: what stands here is what they do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from farense_worker.protocol.language import gettext as _
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup, VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from farense_tui.ui.common.dialogs import keys
from farense_tui.ui.keys import own_actions

_KEY_WIDTH = 12


class HelpScreen(ModalScreen[None]):
    """Lists every binding of the screen, of our widgets on it, and of the app."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", _("Close")),
    ]

    def __init__(self, below: Screen[object]) -> None:
        """Explain the screen `below`."""
        super().__init__(classes="dialog")
        self._below = below

    def compose(self) -> ComposeResult:
        """A section for each owner of bindings."""
        with VerticalGroup(classes="box"):
            with VerticalScroll(classes="help"):
                for node in _owners(self._below):
                    yield Static(_title(node), classes="section", markup=False)
                    yield Static(_listed(node))
            yield Static(keys("esc", _("close")), classes="keys")


def _owners(screen: Screen[object]) -> Iterable[DOMNode]:
    """The screen, our own widgets on it (one of each class), and the app."""
    yield screen
    seen = set()
    for widget in screen.query("*"):
        kind = type(widget)
        ours = kind.__module__.startswith("farense_tui")
        if ours and kind not in seen and "BINDINGS" in vars(kind) and hasattr(kind, "HELP_TITLE"):
            seen.add(kind)
            yield widget
    yield screen.app


def _title(node: DOMNode) -> str:
    title = getattr(node, "HELP_TITLE", "")
    return str(title) or type(node).__name__


def _listed(node: DOMNode) -> Content:
    """One line for each action, with all its keys."""
    by_action: dict[str, list[Binding]] = {}
    for _key, binding in node._bindings:
        if binding.action in own_actions(type(node)):
            by_action.setdefault(binding.description, []).append(binding)
    lines = [
        Content.assemble(
            (_joined([_shown(node, b) for b in bindings]).ljust(_KEY_WIDTH), "bold $accent"),
            f" {description}",
            (f"  {bindings[0].tooltip}" if bindings[0].tooltip else "", "$text-muted"),
        )
        for description, bindings in by_action.items()
    ]
    return Content("\n").join(lines)


def _joined(keys: list[str]) -> str:
    return f"{keys[0]} … {keys[-1]}" if len(keys) > 4 else " ".join(keys)


def _shown(node: DOMNode, binding: Binding) -> str:
    return node.app.get_key_display(Binding(binding.key, binding.action))
