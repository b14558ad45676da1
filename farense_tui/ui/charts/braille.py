"""A canvas on which several lines share a cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from math import isfinite

import numpy as np
from textual.geometry import Region, Size
from textual.strip import Strip
from textual_hires_canvas import Canvas, HiResMode

from farense_tui import compat
from farense_tui.ui.charts.dots import BLANK, DOTS


class BrailleCanvas(Canvas):
    """The canvas of textual-hires-canvas, with a faster way to set dots."""

    def set_hires_pixels(
        self,
        coordinates: Iterable[tuple[float | np.floating, float | np.floating]],
        hires_mode: HiResMode | None = None,
        style: str = "white",
    ) -> None:
        """Add dots at (x, y), in cells; the newest style colours the whole cell."""
        dots: dict[tuple[int, int], int] = {}
        for x, y in coordinates:
            column, row = int(x * 2), int(y * 4)
            cell = (column >> 1, row >> 2)
            dots[cell] = dots.get(cell, 0) | DOTS[row & 3][column & 1]
        (width, height), characters, styles = compat.cells(self)
        for (x, y), bits in dots.items():
            if 0 <= x < width and 0 <= y < height:
                characters[y][x] = chr(BLANK | bits)
                styles[y][x] = style
        self.refresh()

    @property
    def drawn_on(self) -> Size:
        """How large what can be drawn on is now; the widget may have another size already."""
        return compat.cells(self)[0]

    @contextmanager
    def drawn_anew(self) -> Iterator[None]:
        """Wipe it, to be drawn on; only those lines are painted that come out otherwise."""
        size, characters, styles = compat.cells(self)
        with compat.unpainted(self):
            self.reset(refresh=False)
            yield
        _size, *now = compat.cells(self)
        lines = zip(characters, styles, *now, strict=True)
        others = [y for y, line in enumerate(lines) if line[:2] != line[2:]]
        if others:
            self.refresh(*(Region(0, y, size.width, 1) for y in others))

    def render_line(self, y: int) -> Strip:
        """Draw a line; one beyond the canvas has a style too, or NO_COLOR's filter ends the app."""
        strip = super().render_line(y)
        return strip if strip.cell_length else Strip.blank(self.size.width, self.rich_style)

    def text(self, x: int, y: int, text: str, style: str) -> None:
        """Write plain text; `write_text` of the library reads markup."""
        for at, char in enumerate(text):
            self.set_pixel(x + at, y, char, style)

    def line_through(self, points: list[tuple[float, float]], style: str) -> None:
        """Draw a line through points in cells; a single one is a dot."""
        points = [(x, y) for x, y in points if isfinite(x) and isfinite(y)]
        if len(points) == 1:
            self.set_hires_pixels(points, style=style)
        lines = [(*a, *b) for a, b in pairwise(points)]
        self.draw_hires_lines(lines, HiResMode.BRAILLE, style)
