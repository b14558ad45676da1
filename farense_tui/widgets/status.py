"""How the status of a run looks: a sign, a word and a colour, never the colour alone."""

from __future__ import annotations

from typing import NamedTuple

from textual.content import Content


class Look(NamedTuple):
    """Sign, word and style of a status."""

    sign: str
    word: str
    style: str


LOOKS = {
    "running": Look("●", "running", "$success"),
    "paused": Look("‖", "paused", "$warning"),
    "stopping": Look("◌", "stopping", "$warning"),
    "completed": Look("✓", "completed", "$success"),
    "early_stopping": Look("✓", "early stop", "$success"),
    "stopped": Look("■", "stopped", "$foreground"),
    "failed": Look("✗", "failed", "$error"),
    "killed": Look("✗", "killed", "$error"),
    "lost": Look("?", "lost", "$error"),
    "new": Look("○", "new", "$text-muted"),
}


def look(status: str) -> Look:
    """Look up a status as `engine.runs.status` names it."""
    return LOOKS.get(status, Look("·", status, "$foreground"))


def shown(status: str) -> Content:
    """The sign and the word, coloured."""
    sign, word, style = look(status)
    return Content.assemble((f"{sign} {word}", style))
