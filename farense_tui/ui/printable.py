"""The last look at what is drawn: no character of a foreign text commands the terminal.

Widgets clean what they show where that matters for the layout; this goes over every line of every
widget, so that none can forget it.
"""

from __future__ import annotations

from functools import lru_cache

from farense_worker.protocol.clean_text import dammed, printable
from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter


class Printable(LineFilter):
    """Takes out what a terminal would act on; the line stays as wide as it was."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Clean a line."""
        return [
            segment
            if segment.control or (segment.text.isascii() and segment.text.isprintable())
            else Segment(_line(segment.text), segment.style)
            for segment in segments
        ]


def _line(text: str) -> str:
    return dammed(text if text.isprintable() else "".join(map(_clean, text)))


@lru_cache(4096)
def _clean(char: str) -> str:
    cleaned = printable(char)
    return cleaned if cell_len(cleaned) == cell_len(char) else " " * cell_len(char)
