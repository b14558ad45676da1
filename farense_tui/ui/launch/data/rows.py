"""Rows of a data set as text: what is wrong with which, and what is trained on in a few. Pure.

What is trained on is bold and underlined, so that it is seen without colour as well.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.data_check import (
    ADD_VALIDATION,
    CODES,
    NO_VALIDATION,
    Example,
    Finding,
    Piece,
    Report,
)
from textual.content import Content

from farense_tui.engine import readable as show
from farense_tui.engine.readable import from_here
from farense_tui.ui.launch.data.summary import SIGNS

_LABEL, _PROMPT = "bold underline $success", "$text-muted"
_CUT = "strike $error"
_MOST_PLACE = 24
_WORD_OR_SPACE = re.compile(r"\S+|\s")


def legend(cut: bool) -> Content:
    shown = Content.assemble((_("prompt"), _PROMPT), "  ", (_("trained on"), _LABEL))
    return Content.assemble(shown, "  ", (_("cut off"), _CUT)) if cut else shown


def has_cut(examples: Sequence[Example]) -> bool:
    """Whether any of the rows is longer than what is trained on."""
    return any(piece.cut for example in examples for piece in example.pieces)


def examples(found: Sequence[Example]) -> Content:
    """Rows as the model reads them."""
    return Content("\n\n").join(_example(each) for each in found)


def _example(example: Example) -> Content:
    where = clean(f"{Path(example.path).name}:{example.line}")
    said = _("{tokens}, {labels} trained on")
    if example.hidden:
        said = _("{tokens}, {labels} trained on, the last {hidden} not shown")
    told = said.format(
        tokens=show.tokens(example.tokens), labels=example.labels, hidden=example.hidden
    )
    text = Content("").join(Content.styled(visible(p.text), _style(p)) for p in example.pieces)
    return Content.assemble((where, "bold"), (f"  {told}", "$text-muted"), "\n", text)


def _style(piece: Piece) -> str:
    if piece.cut:
        return _CUT
    style = _LABEL if piece.label else _PROMPT
    return f"{style} italic" if piece.special else style


def visible(text: str) -> str:
    """Clean a text but for its spaces and the ends of its lines, which are shown."""
    return "\n".join(_cleaned(line) for line in text.replace("\n", "↵\n").split("\n"))


def _cleaned(line: str) -> str:
    return _WORD_OR_SPACE.sub(lambda found: clean(found[0]) or " " * found[0].isspace(), line)


def findings(report: Report) -> Content:
    """By kind, the worst first; of each kind the first lines."""
    kinds = [code for code in CODES if report.counts.get(code)]
    if not kinds and not report.unvalidated:
        well = _("✓ nothing is wrong with it")
        if report.no_tokenizer:
            well = _("✓ nothing is wrong with it, as far as can be told without the model")
        return Content.styled(well, "$success")
    told = [_kind(code, report) for code in kinds]
    if report.unvalidated:
        sign, style = SIGNS["warning"]
        head = Content.styled(f"{sign} {NO_VALIDATION}", f"bold {style}")
        told.append(Content.assemble(head, "\n  ", (ADD_VALIDATION, "$text-muted")))
    return Content("\n\n").join(told)


def _kind(code: str, report: Report) -> Content:
    level, meaning = CODES[code]
    sign, style = SIGNS[level]
    found = [each for each in report.findings if each.code == code]
    places = [_place(each, report.path) for each in found]
    room = min(_MOST_PLACE, max(map(len, places), default=0))
    lines = [Content.styled(f"{sign} {_(meaning)} ({report.counts[code]})", f"bold {style}")]
    for each, place in zip(found, places, strict=True):
        what = Content.styled(clean(from_here(each.what)), "$text-muted")
        lines.append(Content.assemble(f"  {place:<{room}}  ", what))
    if more := report.counts[code] - len(found):
        lines.append(Content.styled("  " + _("and {n} more").format(n=more), "$text-muted"))
    return Content("\n").join(lines)


def _place(finding: Finding, folder: str) -> str:
    """File and line; the folder is in the title."""
    name = clean(from_here(finding.path.removeprefix(f"{folder}/")))
    return f"{name}:{finding.line}" if finding.line else name
