"""A line of the table: what was checked, what had to come out, what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from farense_worker.protocol.language import gettext as _

# told: a figure that nothing has to hold of. untried: it could not be, here.
Verdict = Literal["holds", "fails", "told", "untried"]  # not translated: keys
VERDICTS: dict[Verdict, str] = {
    "holds": _("holds"),
    "fails": _("fails"),
    "told": _("told"),
    "untried": _("not tried"),
}


@dataclass(frozen=True)
class Row:
    """`name` is for programs, `check` for people. figures: the numbers behind `found`.

    raw: what a tool of the system printed, word by word.
    """

    group: str
    name: str
    check: str
    expected: str
    found: str
    verdict: Verdict
    detail: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    raw: str = ""


def judged(holds: bool, must: bool = True) -> Verdict:
    """Judge by whether it holds; what need not hold is told."""
    return "holds" if holds else "fails" if must else "told"
