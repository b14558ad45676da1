"""Braille characters: eight dots to a cell, each a bit of the character's number."""

from __future__ import annotations

BLANK = 0x2800
# by row from the top, then left and right
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
