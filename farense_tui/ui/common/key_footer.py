"""The footer: the keys of a screen, as many as there is room for, help and leaving always.

A screen may have a `key_label(action)` that says what a key does just now; None leaves it out: the
key only says why it does nothing.
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.events import Resize
from textual.widgets import Footer

from farense_tui import compat

# What nobody may have to look for.
_ALWAYS = ("help", "request_quit", "leave", "back")


class KeyFooter(Footer):
    """In a narrow terminal keys give way, first those that can do nothing now, then the last.

    `?` tells of all of them.
    """

    def __init__(self) -> None:
        """The palette has a key of its own, told by the help."""
        super().__init__(show_command_palette=False)

    def compose(self) -> ComposeResult:
        """Leave out what there is no room for."""
        keys = compat.footer_keys(super().compose())
        label = getattr(self.screen, "key_label", None)
        for key in [*keys]:
            said = label(_action(key)) if label else ""
            key.description = said or key.description
            if said is None:
                keys.remove(key)
        room = self.app.size.width - self.screen.gutter.width
        over = sum(map(compat.footer_key_width, keys)) - room
        from_the_end = keys[::-1]
        for key in sorted(from_the_end, key=lambda each: not each.has_class("-disabled")):
            if over > 0 and _action(key) not in _ALWAYS:
                over -= compat.footer_key_width(key)
                keys.remove(key)
        yield from keys

    def on_resize(self, event: Resize) -> None:
        """Fill the new width."""
        self.call_after_refresh(self.recompose)


def _action(key: compat.FooterKey) -> str:
    return key.action.rpartition(".")[2]
