"""A line of a list whose text goes on below itself where it has no room, not at the left edge."""

from __future__ import annotations

from textual.content import Content
from textual.css.styles import RulesMap
from textual.strip import Strip
from textual.style import Style
from textual.visual import RenderOptions, Visual

_LEAST = 12  # cells for the text; with less it goes on at the left edge after all


class Hanging(Visual):
    """`head`, which keeps its cells, and beside it `text` in as many lines as it takes."""

    def __init__(self, head: Content, text: Content) -> None:
        self._head = head
        self._text = text
        self._whole = head + text

    def __str__(self) -> str:
        return self._whole.plain

    def render_strips(
        self, width: int, height: int | None, style: Style, options: RenderOptions
    ) -> list[Strip]:
        """Draw the lines, each `width` cells wide at most."""
        left = self._head.cell_length
        if width - left < _LEAST:
            return self._whole.render_strips(width, height, style, options)
        blank = Strip.blank(left, style.rich_style)
        heads = self._head.render_strips(left, 1, style, options)
        texts = self._text.render_strips(width - left, height, style, options)
        heads += [blank] * (len(texts) - len(heads))
        return [Strip.join(pair) for pair in zip(heads, texts, strict=True)]

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:
        return self._whole.get_optimal_width(rules, container_width)

    def get_minimal_width(self, rules: RulesMap) -> int:
        return self._whole.get_minimal_width(rules)

    def get_height(self, rules: RulesMap, width: int) -> int:
        """Count the lines that `width` cells make of it."""
        left = self._head.cell_length
        if width - left < _LEAST:
            return self._whole.get_height(rules, width)
        return self._text.get_height(rules, width - left)
