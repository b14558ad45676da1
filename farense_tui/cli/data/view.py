"""`data check` as people read it: what is trained on, how long rows are, what is wrong.

In colour the labels are green and the prompt is dim; without colour labels stand in brackets. What
comes from the data is cleaned and never read as markup.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from farense_worker.protocol.clean_text import clean, printable
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import mark, ngettext, pgettext
from farense_worker.protocol.messages.data_check import (
    ADD_VALIDATION,
    CODES,
    NO_VALIDATION,
    Example,
    Finding,
    Piece,
    Report,
    Split,
)
from farense_worker.protocol.percent import percent
from rich.console import Console
from rich.table import Table
from rich.text import Text

from farense_tui.dataset import remedies
from farense_tui.engine import readable as f

_BAR = 40
_MOST_FINDINGS = 20
_LEVEL_STYLES = {
    mark("error"): "bold red",
    mark("warning"): "yellow",
    mark("info"): "cyan",
}


def show(report: Report, console: Console) -> None:
    masked = _("every token is trained on")
    masks = report.mask_prompt and report.kind != "text"  # a text has no prompt
    if masks and report.answers == "all":
        masked = _("all answers are trained on, prompts are not")
    elif masks:
        masked = _("the last answer of each row is trained on")
    kind = _("{kind} rows, ").format(kind=report.kind) if report.kind else ""
    most = _("at most {n} tokens").format(n=report.max_seq_length)
    title = _("{data} for {model}").format(data=_short(report.path), model=_short(report.model))
    console.print(Text(clean(title), "bold"))
    console.print(Text(f"{kind}{most}, {masked}", "dim"))
    if report.no_tokenizer:
        console.print(
            Text(_("lengths and labels are not checked: the tokenizer is not here"), "yellow")
        )
        console.print(Text(f"  {clean(report.no_tokenizer)}", "dim"))
    console.print()
    console.print(_splits(report.splits))
    if report.set_aside:
        aside = ngettext(
            "{n} row of train is set aside for validation",
            "{n} rows of train are set aside for validation",
            report.set_aside,
        )
        console.print(Text(aside.format(n=report.set_aside)))
    elif report.trainable and report.unvalidated:
        console.print(Text(f"{NO_VALIDATION}. {ADD_VALIDATION}", "yellow"))
    for split in report.splits:
        if split.bins and split.name == "train":
            _histogram(split, report.max_seq_length, console)
    if report.examples:
        _examples(report.examples, console)
    _findings(report, console)
    _remedies(report, console)


def _splits(splits: Sequence[Split]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    heads = (
        pgettext("column", "split"),
        pgettext("column", "rows"),
        pgettext("column", "tokens"),
        pgettext("column", "labels"),
        pgettext("column", "shortest"),
        pgettext("column", "median"),
        percent(0.95),
        pgettext("column", "longest"),
        pgettext("column", "cut off"),
    )
    for at, head in enumerate(heads):
        table.add_column(head, justify="right" if at else "left", header_style="dim", no_wrap=True)
    for split in splits:
        numbers = [split.shortest, split.median, split.most, split.longest, split.truncated]
        known = [f.count(split.tokens), f.count(split.labels), *map(str, numbers)]
        table.add_row(split.name, str(split.rows), *(known if split.tokens else ["—"] * 7))
    return table


def _histogram(split: Split, limit: int, console: Console) -> None:
    console.print()
    console.print(Text(_("rows of {split} by tokens").format(split=split.name), "bold"))
    most = max(each.rows for each in split.bins)
    more = _("more")
    width = len(str(split.bins[-1].start)) + len(str(split.bins[-1].end or more)) + 3
    for each in split.bins:
        name = f"{each.start} - {each.end or more}"
        beyond = each.start > limit
        bar = "█" * max(int(each.rows > 0), round(_BAR * each.rows / most))
        line = Text(f"{name:>{width}}  ")
        line.append(f"{bar:{_BAR}}", "red" if beyond else "green")
        line.append(f" {each.rows}")
        if each.start <= limit < (each.end or limit + 1):
            line.append("  " + _("cut off at {limit}").format(limit=limit), "dim")
        elif beyond and each.rows:
            line.append("  " + _("cut off"), "dim")
        console.print(line)


def _examples(examples: Sequence[Example], console: Console) -> None:
    plain = console.no_color or not console.color_system
    left, right = _brackets(console.encoding)
    key = (
        _("labels {left}so{right}").format(left=left, right=right)
        if plain
        else _("labels green, prompt dim")
    )
    console.print()
    console.print(Text(_("examples ({key})").format(key=key), "bold"))
    for example in examples:
        where = f"{Path(example.path).name}:{example.line}"
        said = _("{tokens}, {labels} trained on")
        if example.hidden:
            said = _("{tokens}, {labels} trained on, the last {hidden} not shown")
        told = said.format(
            tokens=f.tokens(example.tokens), labels=example.labels, hidden=example.hidden
        )
        console.print(Text(f"{where}  {told}", "dim"))
        console.print(_row(example.pieces, (left, right) if plain else ("", "")))


def _row(pieces: Sequence[Piece], brackets: tuple[str, str]) -> Text:
    line, inside = Text("  "), False
    for piece in pieces:
        if piece.label != inside:
            line.append(brackets[0] if piece.label else brackets[1])
            inside = piece.label
        line.append(_visible(piece.text), _style(piece))
    return line.append(brackets[1] if inside else "")


def _style(piece: Piece) -> str:
    if piece.cut:
        return "red strike"
    if piece.label:
        return "bold magenta" if piece.special else "bold green"
    return "magenta" if piece.special else "dim"


def _visible(text: str) -> str:
    """Show the ends of lines; take out what a terminal would act on."""
    return printable(text.replace("\r", "").replace("\t", "    ").replace("\n", "↵\n  "))


def _brackets(encoding: str) -> tuple[str, str]:
    try:
        "⟦⟧".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return "[[", "]]"
    return "⟦", "⟧"


def _findings(report: Report, console: Console) -> None:
    console.print()
    if not report.findings and not report.unvalidated:
        console.print(Text(_("nothing is wrong with it"), "green"))
    for code, (level, meaning) in CODES.items():
        found = [finding for finding in report.findings if finding.code == code]
        if not found:
            continue
        head = Text(f"{_(level)}: ", _LEVEL_STYLES[level])
        console.print(head.append(f"{_(meaning)} ({report.counts[code]})", "bold"))
        for finding in found[:_MOST_FINDINGS]:
            console.print(_finding(finding))
        more = report.counts[code] - len(found[:_MOST_FINDINGS])
        if more:
            console.print(Text("  " + _("and {n} more").format(n=more), "dim"))


def _remedies(report: Report, console: Console) -> None:
    """What would help, and the command that does all of it in a new folder."""
    found = remedies.remedies(report)
    if not found:
        return
    console.print()
    console.print(Text(_("what helps, in a new folder"), "bold"))
    for each in found:
        options = f"{shlex.join(each.options)}  " if each.options else ""
        console.print(Text("  ").append(options, "cyan").append(clean(each.what)))
    console.print(Text(f"  {clean(remedies.command(report, found))}", "bold"))


def _finding(finding: Finding) -> Text:
    where = _short(finding.path) + (f":{finding.line}" if finding.line else "")
    return Text("  ").append(clean(where), "cyan").append(f"  {clean(finding.what)}")


def _short(path: str) -> str:
    """Give a path from here if that is shorter."""
    near = os.path.relpath(path) if path.startswith("/") else path
    return near if len(near) < len(path) else path
