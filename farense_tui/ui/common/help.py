"""The keys, taken from the bindings of the screen below: what stands here is what they do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from farense_worker.protocol.language import gettext as _
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from farense_tui.ui.common.dialogs import Dialog, keys
from farense_tui.ui.keys import own_bindings
from farense_tui.ui.navigator import navigator

_KEY_WIDTH = 12
_COPYING = _(
    "Drag over text with the mouse, then ctrl+c copies it. Where the terminal keeps that to "
    "itself: hold fn (Terminal.app), option (iTerm2) or shift while you drag, and copy as ever."
)


class HelpScreen(Dialog[None]):
    """Lists every binding of the screen, of our widgets on it, and of the app."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q,enter", "dismiss", _("Close")),
        Binding("t", "tour", _("Tour")),
    ]

    def __init__(self, below: Screen[object]) -> None:
        """Explain the screen `below`."""
        super().__init__(classes="dialog")
        self._below = below

    def compose(self) -> ComposeResult:
        """A section for each owner of bindings."""
        with VerticalGroup(classes="box"):
            with VerticalGroup(classes="help"):
                for node in _owners(self._below):
                    yield Static(_title(node), classes="section", markup=False)
                    yield KeyList(_listed(node))
                yield Static(_("Copying"), classes="section", markup=False)
                yield KeyList([(_("drag"), Content(_COPYING))])
            shown = [keys("t", _("a tour, with a run that is played")), keys("esc", _("close"))]
            yield Static(Content("   ").join(shown), classes="keys")

    def action_tour(self) -> None:
        """Play a run and explain it."""
        navigator(self).open_tour()
        self.dismiss()


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


class KeyList(Widget):
    """Keys in a column, what they do in another; what is long goes on below itself."""

    DEFAULT_CSS = "KeyList { height: auto; }"

    def __init__(self, rows: list[tuple[str, Content]]) -> None:
        super().__init__()
        self._rows = rows

    def render(self) -> Content:
        """All of it, wrapped to the width there is."""
        return self._wrapped(self.size.width)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """As many lines as it takes."""
        return self._wrapped(width).plain.count("\n") + 1

    def _wrapped(self, width: int) -> Content:
        lines = []
        for names, told in self._rows:
            first, *rest = told.wrap(max(10, width - _KEY_WIDTH - 1)) or [Content("")]
            lines.append(Content.assemble((f"{names:<{_KEY_WIDTH}} ", "bold $accent"), first))
            lines += [Content.assemble(" " * (_KEY_WIDTH + 1), line) for line in rest]
        return Content("\n").join(lines)


def _listed(node: DOMNode) -> list[tuple[str, Content]]:
    """One row for each action, with all its keys."""
    by_action: dict[str, list[Binding]] = {}
    for binding in own_bindings(type(node)):
        by_action.setdefault(binding.description, []).append(binding)
    return [
        (
            _joined([_shown(node, b) for b in bindings]),
            Content.assemble(
                description,
                (f"  {bindings[0].tooltip}" if bindings[0].tooltip else "", "$text-muted"),
            ),
        )
        for description, bindings in by_action.items()
    ]


def _joined(keys: list[str]) -> str:
    return f"{keys[0]} … {keys[-1]}" if len(keys) > 4 else " ".join(keys)


def _shown(node: DOMNode, binding: Binding) -> str:
    return node.app.get_key_display(Binding(binding.key, binding.action))
