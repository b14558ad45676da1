"""How the status of a run looks: a sign, a word and a colour, never the colour alone."""

from __future__ import annotations

from typing import NamedTuple

from textual.content import Content

from farense_tui.engine import words
from farense_tui.engine.words import Tone

_STYLES: dict[Tone, str] = {
    "good": "$success",
    "warn": "$warning",
    "bad": "$error",
    "plain": "$foreground",
    "dim": "$text-muted",
}


class Look(NamedTuple):
    """Sign, word and style of a status."""

    sign: str
    word: str
    style: str


def look(status: str) -> Look:
    """Look up a status as `runs.describe.status` names it."""
    sign, word, tone = words.how(status)
    return Look(sign, word, _STYLES[tone])


def shown(status: str) -> Content:
    """The sign and the word, coloured."""
    sign, word, style = look(status)
    return Content.assemble((f"{sign} {word}", style))
