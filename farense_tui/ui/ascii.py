"""Plain ASCII for terminals and fonts that have nothing else.

Everything that is drawn goes through one filter, cell by cell, so no widget knows of it: braille
becomes dots by height, lines and blocks become what comes nearest, letters lose their accents.
"""

from __future__ import annotations

import locale
import os
import unicodedata
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from farense_tui.ui.charts.dots import BLANK

_UPPER, _LOWER = 0x1B, 0xE4  # the dots of the two upper rows, and of the two lower ones
_CONSOLES = ("linux", "dumb", "vt100", "vt220")  # without braille in their fonts
_SIGNS = {
    "━╸╺═": "=",
    "─┈╌▔▂▁": "-",
    "│║┊▏▎▍▌▐▕": "|",
    "┃": "|",
    "╎": ":",
    "┇": "!",
    "┌┐└┘├┤┬┴┼╭╮╰╯╋": "+",
    "●◆█▇■": "#",
    "▅▆▄▃": "=",
    "▚◈": "%",
    "▓": "=",
    "▒▪": "+",
    "░": "-",
    "╱": "/",
    "·•": ".",
    "○◌◇": "o",
    "‖": '"',
    "✓": "v",
    "≤": "<",
    "✗×✕": "x",
    "»→›▶▸": ">",
    "«←‹◀◂": "<",
    "↑▲△Δ": "^",
    "↓▼▾": "v",
    "↵⏎⌫⇥": "<",
    "…": "~",
    "—–−": "-",
    "“”„": '"',
    "‘’": "'",
}
_TABLE = {ord(char): plain for chars, plain in _SIGNS.items() for char in chars}


class Ascii(LineFilter):
    """Replaces what is not ASCII, each character by as many cells as it had."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment if segment.text.isascii() else Segment(plain(segment.text), *segment[1:])
            for segment in segments
        ]


def plain(text: str) -> str:
    """Write `text` in ASCII, as wide as it was."""
    return "".join(char if char.isascii() else _plain(char) for char in text)


@lru_cache(4096)
def _plain(char: str) -> str:
    bits = ord(char) - BLANK
    if 0 <= bits < 256:
        upper, lower = bits & _UPPER, bits & _LOWER
        return ":" if upper and lower else "'" if upper else "." if lower else " "
    found = _TABLE.get(ord(char))
    if found is None:
        found = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode() or "?"
    width = cell_len(char)
    return found[:width].ljust(width)


def wanted() -> bool:
    """Whether to draw in ASCII: FARENSE_ASCII says so, or the terminal knows nothing else."""
    asked = os.environ.get("FARENSE_ASCII", "")
    if asked:
        return asked != "0"
    return os.environ.get("TERM", "") in _CONSOLES or not _can_encode(locale.getencoding())


def _can_encode(encoding: str) -> bool:
    try:
        "⣿●━".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
