"""How the status of a run looks: a sign, a word and a colour, never the colour alone."""

from __future__ import annotations

from typing import NamedTuple

from farense_worker.protocol.language import pgettext
from textual.content import Content


class Look(NamedTuple):
    """Sign, word and style of a status."""

    sign: str
    word: str
    style: str


LOOKS = {
    "running": Look("●", pgettext("state", "running"), "$success"),
    "paused": Look("‖", pgettext("state", "paused"), "$warning"),
    "stopping": Look("◌", pgettext("state", "stopping"), "$warning"),
    "completed": Look("✓", pgettext("state", "completed"), "$success"),
    "early_stopping": Look("✓", pgettext("state", "early stop"), "$success"),
    "stopped": Look("■", pgettext("state", "stopped"), "$foreground"),
    "failed": Look("✗", pgettext("state", "failed"), "$error"),
    "killed": Look("✗", pgettext("state", "killed"), "$error"),
    "lost": Look("?", pgettext("state", "lost"), "$error"),
    "new": Look("○", pgettext("state", "new"), "$text-muted"),
}


def look(status: str) -> Look:
    """Look up a status as `engine.runs.status` names it."""
    return LOOKS.get(status, Look("·", status, "$foreground"))


def shown(status: str) -> Content:
    """The sign and the word, coloured."""
    sign, word, style = look(status)
    return Content.assemble((f"{sign} {word}", style))
