"""A Textual screen as SVG and PNG with every character in its cell.

Textual's own export sets runs of text, and where a font lacks braille or box characters the
fallback font's widths move all that follows.
"""

from __future__ import annotations

import subprocess
from html import escape
from pathlib import Path

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.app import App

_WIDTH, _HEIGHT, _SIZE, _MARGIN = 9, 19, 15, 9


def picture(app: App[object], png: Path) -> None:
    """Write what `app` shows now as a PNG; needs rsvg-convert and the DejaVu fonts."""
    subprocess.run(["rsvg-convert", "--output", str(png)], input=svg(app).encode(), check=True)


def svg(app: App[object]) -> str:
    """What `app` shows now."""
    size = app.size
    ground = app.screen.background_colors[1].hex6
    width, height = size.width * _WIDTH + 2 * _MARGIN, size.height * _HEIGHT + 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">',
        f'<rect width="{width}" height="{height}" fill="{ground}"/>',
        f'<g font-family="DejaVu Sans Mono, DejaVu Sans, monospace" font-size="{_SIZE}">',
    ]
    for y, strip in enumerate(app.screen._compositor.render_strips(size)):
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
            if not char.isspace():
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
