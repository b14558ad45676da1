"""A widget of text that is painted when the text came out otherwise, and only then.

Textual paints a widget again whenever something was set that it shows. Most of what is set here,
many times a minute, comes out as the same text.
"""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget


class Calm(Widget):
    """Call `draw` when what it shows may have changed; `picture` is what it looks like now."""

    _painted: Content | None = None

    def picture(self) -> Content:
        raise NotImplementedError

    def draw(self) -> None:
        """Paint it if it looks otherwise than it did."""
        picture = self.picture()
        if self._painted is None or not picture.is_same(self._painted):
            self._painted = picture
            self.refresh()

    def render(self) -> Content:
        return self.picture()
