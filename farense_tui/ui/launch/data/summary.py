"""What a data check found, in a few quiet words: for the plan of a start."""

from __future__ import annotations

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import pgettext
from farense_worker.protocol.messages.data_check import CODES, Level, Report
from textual.content import Content

SIGNS: dict[Level, tuple[str, str]] = {
    "error": ("✗", "$error"),
    "warning": ("!", "$warning"),
    "info": ("·", "$text-muted"),
}
_MOST = 3  # kinds of findings to name
# After a number: "3 doubled". The long form is in farense_worker.protocol.messages.data_check.
SHORT = {
    "file": _("unreadable"),
    "not_utf8": _("not UTF-8"),
    "not_json": _("not JSON"),
    "too_many": _("file with too many faults"),
    "no_template": _("without a chat template"),
    "row": _("no rows"),
    "kind": _("of another kind"),
    "template": _("refused by the template"),
    "no_label": _("without a label"),
    "labels_cut": _("with all labels cut off"),
    "test_label": _("that test nothing"),
    "leak": _("in two splits"),
    "truncated": pgettext("rows", "cut off"),
    "beyond": _("too long for the model"),
    "parted": _("off the template"),
    "left_out": _("with text left out"),
    "unknown": _("with unknown characters"),
    "control_token": _("with control tokens"),
    "closed_thought": _("without a thought"),
    "rewritten": _("with answers that are no labels"),
    "unread": _("with keys that are not read"),
    "beside": _("with more keys"),
    "role": _("with other roles"),
    "unasked": _("beginning with an answer"),
    "empty_answer": _("with empty answers"),
    "open_thought": _("with thoughts not ended"),
    "mojibake": _("decoded wrongly"),
    "replacement": _("with � in them"),
    "control": _("with control characters"),
    "label": _("marked as bad answers"),
    "escaped": _("with characters as codes"),
    "apart": _("with accents apart"),
    "gap": _("with a place not filled in"),
    "spaced": _("with a space before the answer"),
    "template_marks": _("with marks of another template"),
    "echo": _("that answer with the question"),
    "asked_again": _("asked again"),
    "duplicate": _("doubled"),
    "endless": _("without an end"),
    "end_appended": _("with the eos appended"),
    "words_behind": _("that the template goes on after"),
    "other_files": _("folder with files that are not read"),
    "other_kind": _("part with rows of another kind"),
    "dated": _("with a date from the template"),
    "unnamed_end": _("end that the model does not name"),
}


def words(report: Report) -> list[Content]:
    """A line on the lengths, then one each on what is wrong, what is odd and what is to know."""
    levels: tuple[Level, ...] = ("error", "warning", "info")
    told = [lengths(report), *filter(None, (counted(report, level) for level in levels))]
    if report.unvalidated:
        sign, style = SIGNS["warning"]
        told.append(Content.styled(f"{sign} " + _("no rows to validate on"), style))
    return told


def lengths(report: Report) -> Content:
    """How long the rows are that are trained on."""
    if report.no_tokenizer:
        return Content.styled(_("Lengths are told once the model is here."), "$text-muted")
    train = next((split for split in report.splits if split.name == "train"), None)
    if train is None or not train.tokens:
        return Content.styled(_("There are no tokens to train on."), "$text-muted")
    text = _("Half of them have up to {median} tokens, the longest {longest}.")
    told = text.format(median=train.median, longest=train.longest)
    return Content.styled(told, "$text-muted")


def counted(report: Report, level: Level) -> Content | None:
    """The findings of a level, each with its number: `! 12 cut off · 3 doubled`."""
    found = [
        f"{report.counts[code]} {SHORT[code]}"
        for code, (its_level, _meaning) in CODES.items()
        if its_level == level and report.counts.get(code)
    ]
    if more := len(found[_MOST:]):
        found[_MOST:] = [_("{n} more").format(n=more)]
    sign, style = SIGNS[level]
    return Content.styled(f"{sign} {' · '.join(found)}", style) if found else None
