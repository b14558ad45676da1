"""What is drawn in cells as an SVG, with every character in its place.

Textual's own export sets runs of text, and where a font lacks braille or box characters the
fallback font's widths move all that follows.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip

_WIDTH, _HEIGHT, _SIZE, _MARGIN = 9, 19, 15, 9
_FONTS = "DejaVu Sans Mono, Menlo, DejaVu Sans, monospace"  # not translated: names


def svg(strips: Iterable[Strip], size: Size, ground: str) -> str:
    """Draw the lines of a screen or a widget of `size` cells on the colour `ground`."""
    width, height = size.width * _WIDTH + 2 * _MARGIN, size.height * _HEIGHT + 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">',
        f'<rect width="{width}" height="{height}" fill="{ground}"/>',
        f'<g font-family="{_FONTS}" font-size="{_SIZE}">',
    ]
    for y, strip in enumerate(strips):
        parts += _row(list(strip), y, ground)
    return "\n".join([*parts, "</g></svg>"])


def _row(segments: list[Segment], y: int, ground: str) -> list[str]:
    parts, x, top = [], _MARGIN, _MARGIN + y * _HEIGHT
    for text, style, _ in segments:
        ink, back = _colours(style, ground)
        cells = cell_len(text) * _WIDTH
        if back != ground:
            parts.append(
                f'<rect x="{x}" y="{top}" width="{cells}" height="{_HEIGHT}" fill="{back}"/>'
            )
        weight = ' font-weight="bold"' if style and style.bold else ""
        for char in text:
            if char.isprintable() and not char.isspace():  # what is not has no place in XML
                at = f'x="{x}" y="{top + _SIZE - 1}"'
                parts.append(f'<text {at} fill="{ink}"{weight}>{escape(char)}</text>')
            x += cell_len(char) * _WIDTH
    return parts


def _colours(style: Style | None, ground: str) -> tuple[str, str]:
    ink, back = "#d8d8d8", ground
    if style and style.color and not style.color.is_default:
        ink = style.color.get_truecolor().hex
    if style and style.bgcolor and not style.bgcolor.is_default:
        back = style.bgcolor.get_truecolor().hex
    return (back, ink) if style and style.reverse else (ink, back)
