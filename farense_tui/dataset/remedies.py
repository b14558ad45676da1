"""What helps a data set that `data check` found wanting, and the command that does it.

Remedies are applied to a new folder (mend.py).
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.data_check import CODES, Report

# Rows that cannot be trained on, or whose text is damaged. What else is found is a matter of taste.
BAD = (
    "not_json", "not_utf8", "row", "kind", "template", "no_label", "labels_cut", "test_label",
    "label", "empty_answer", "control_token", "mojibake", "replacement", "control",
)  # fmt: skip
LONG = ("truncated", "labels_cut")
_HELD_OUT = 0.1


@dataclass(frozen=True)
class Remedy:
    """options: what `data mend` is given for it. what: what it does, and to how many rows."""

    options: tuple[str, ...]
    what: str


def remedies(report: Report) -> list[Remedy]:
    """Give what helps against what was found, the most needed first."""
    counts, found = report.counts, list[Remedy]()
    bad = [code for code in BAD if counts.get(code) and code != "labels_cut"]
    if bad:
        rows = sum(counts[code] for code in bad)
        kinds = ", ".join(_(CODES[code][1]) for code in bad[:3])
        what = _("leave out {n}: {kinds}").format(n=rows, kinds=kinds)
        found.append(Remedy(("--leave-out", ",".join(bad)), what))
    if again := counts.get("duplicate", 0) + counts.get("leak", 0):
        what = _("leave out {n} that occur twice, from train before the others")
        found.append(Remedy((), what.format(n=again)))
    if long := sum(counts.get(code, 0) for code in LONG):
        what = _("cut {n} that are too long: text into pieces, conversations to their first turns")
        found.append(Remedy(("--cut",), what.format(n=long)))
    if report.unvalidated:
        what = _("hold out a tenth for validation, what belongs together on one side")
        found.append(Remedy(("--valid", str(_HELD_OUT)), what))
    return found


def row_codes() -> list[str]:
    """Give the codes of what a row may have, all but those of whole files."""
    whole = (
        "file", "too_many", "no_template", "other_files", "other_kind", "dated", "unnamed_end",
    )  # fmt: skip
    return [code for code in CODES if code not in whole]


def command(report: Report, chosen: Sequence[Remedy]) -> str:
    """Give the command that applies remedies."""
    to = f"{report.path}-mended"
    words = ["farense-tui", "data", "mend", report.path, "--to", to]
    return shlex.join([*words, *(word for each in chosen for word in each.options)])
