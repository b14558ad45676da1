"""Widgets of text that are painted when the text came out otherwise, and only then.

Textual paints a widget again whenever something was set that it shows. Most of what is set here,
many times a minute, comes out as the same text.
"""

from __future__ import annotations

from textual.content import Content
from textual.visual import VisualType
from textual.widget import Widget
from textual.widgets import Static


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


class CalmStatic(Static):
    """Lays nothing out anew when it is told what it says already."""

    def update(self, content: VisualType = "", *, layout: bool = True) -> None:
        """Say something else; nothing else has to move for what is as large as it was."""
        before = self.content
        if not _same(content, before):
            super().update(content, layout=layout and _extent(content) != _extent(before))


def _same(one: VisualType, other: VisualType) -> bool:
    if isinstance(one, Content) and isinstance(other, Content):
        return one.is_same(other)
    return type(one) is type(other) and one == other


def _extent(content: VisualType) -> list[int]:
    """Cells of each line."""
    text = content if isinstance(content, Content) else Content(str(content))
    return [line.cell_length for line in text.split("\n", allow_blank=True)]
