"""What helps against what a check of the data found: each a key, and the settings that do it."""

from __future__ import annotations

from dataclasses import dataclass

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.messages.data_check import Report
from farense_worker.protocol.settings.profile import Profile
from textual.content import Content

from farense_tui.ui.launch.data.reader import Look

# Findings that are rows which a run can go without.
_ROWS = ("row", "kind", "template", "no_label", "labels_cut")
_HELD_OUT = "0.1"
_MOST_TOKENS = 4096  # longer rows are not what a cut is lifted for


@dataclass(frozen=True)
class Remedy:
    """changes: settings and what is typed for them; none where rows are made of other files."""

    key: str
    words: str
    changes: tuple[tuple[str, str], ...] = ()


def remedies(profile: Profile, look: Look) -> list[Remedy]:
    """Give those that there are: first what stops a start, then what loses words of rows."""
    report = look.report
    if report is None:
        return []
    found = []
    if any(finding.foreign for finding in report.findings):
        found.append(Remedy("v", _("makes rows of it, in a new folder beside it")))
    bad = sum(report.counts.get(code, 0) for code in _ROWS)
    left = any(split.rows for split in report.splits if split.name == "train")
    if report.counts.get("too_many") and bad and left and not profile.data.skip:
        said = ngettext("leaves out this {n} row", "leaves out these {n} rows", bad)
        found.append(Remedy("x", said.format(n=bad), (("data.skip", "true"),)))
    longest = _longest(report)
    if longest > report.max_seq_length and longest <= _MOST_TOKENS:
        said = _("lets rows be {n} tokens long, so that none is cut off").format(n=longest)
        found.append(Remedy("g", said, (("train.max_seq_length", str(longest)),)))
    if report.unvalidated:
        said = _("holds out 10% of the rows for validation")
        found.append(Remedy("h", said, (("data.valid_fraction", _HELD_OUT),)))
    return found


def _longest(report: Report) -> int:
    return max((split.longest for split in report.splits if split.truncated), default=0)


def listed(found: list[Remedy]) -> Content:
    """One a line: the key and what it does."""
    lines = [Content.assemble((f"{each.key}  ", "bold $accent"), each.words) for each in found]
    return Content("\n").join(lines)
