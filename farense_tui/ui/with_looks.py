"""How the app looks: its themes, ASCII where nothing else can be shown, what moves by itself."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import App
from textual.filter import LineFilter
from textual.widgets import Input

from farense_tui.engine.machine import terminal
from farense_tui.ui import ascii, preferences
from farense_tui.ui.ascii import Ascii
from farense_tui.ui.printable import Printable
from farense_tui.ui.theme import CONTRAST, DARK, THEMES, TITLES, in_sixteen_colours


class WithLooks(App[None]):
    """Looks as the user wants it, as far as the terminal can show that."""

    def __init__(self) -> None:
        super().__init__()
        few = terminal.terminal().colours == 16
        for theme in THEMES:
            self.register_theme(in_sixteen_colours(theme) if few else theme)
        self._printable = Printable()
        self._ascii = Ascii(enabled=ascii.wanted())
        self.theme = self._remembered_theme()
        self._still = not preferences.wanted("motion")
        if self._still:
            self.animation_level = "none"

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Where nothing is to move, a cursor does not blink."""
        if self._still and isinstance(event.widget, Input):
            event.widget.cursor_blink = False

    def _remembered_theme(self) -> str:
        chosen = preferences.theme()
        if chosen in TITLES:
            return chosen
        return CONTRAST.name if self.no_color else DARK.name

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Draw in plain ASCII where nothing else can be shown."""
        ours = [self._printable, *([self._ascii] if self._ascii.enabled else [])]
        return [*super().get_line_filters(), *ours]

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """`veil` is what lies over a screen behind a dialog."""
        return {**super().get_theme_variable_defaults(), "veil": "#000000 60%"}

    def choose_theme(self, name: str) -> None:
        self.theme = name
        preferences.keep_theme(name)

    def action_next_theme(self) -> None:
        """Go from dark to light to high contrast, and on."""
        names = list(TITLES)
        self.choose_theme(names[(names.index(self.theme) + 1) % len(names)])
