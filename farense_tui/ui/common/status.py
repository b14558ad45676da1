"""How the status of a run looks: a sign, a word and a colour, never the colour alone."""

from __future__ import annotations

from typing import NamedTuple

from textual.content import Content

from farense_tui.engine import status_words
from farense_tui.engine.record import verdict
from farense_tui.engine.record.state import RunState
from farense_tui.engine.status_words import Tone

ENDED_WELL = ("completed", "early_stopping")
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


def look(status: str, state: RunState | None = None) -> Look:
    """Look up a status as `runs.describe.status` names it, with the run's state its verdict."""
    sign, word, tone = status_words.how(verdict.named(status, state) if state else status)
    return Look(sign, word, _STYLES[tone])


def shown(status: str, state: RunState | None = None) -> Content:
    """The sign and the word, coloured."""
    sign, word, style = look(status, state)
    return Content.assemble((f"{sign} {word}", style))
