"""`farense-tui evaluate`: what the base models and the adapters come to, in one table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import ExitCode
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.evaluation import Report, Request, Score, Turn
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Profile, replace_setting
from rich.console import Console
from rich.table import Table
from rich.text import Text

from farense_tui.cli import common
from farense_tui.cli.output import ProgressLine, console, relative, say_json
from farense_tui.engine.runs import folders as runs
from farense_tui.engine.runs import new_run
from farense_tui.engine.tasks import evaluation
from farense_tui.engine.tasks.evaluation import Difference


def evaluate(args: argparse.Namespace) -> int:
    """Measure adapters and their base models on the test set."""
    folder = common.runs_dir(args)
    found = [runs.find(name, folder) for name in dict.fromkeys(args.runs)]
    given = {"split": args.split, "rows": args.rows, "max_tokens": args.max_tokens}
    asked = evaluation.request(found, data=_data_path(args.data), **given)
    own = not args.data and args.split == "test" and not args.rows
    return _evaluate(asked, found, examples=args.examples, as_json=args.json, keep=own)


def _data_path(given: str | None) -> str:
    """Give an absolute folder, or nothing if none is given."""
    return str(new_run.data_folder(replace_setting(Profile(), "data.path", given))) if given else ""


def _evaluate(
    asked: Request, folders: Sequence[RunFolder], *, examples: int, as_json: bool, keep: bool
) -> int:
    """Measure, keep what was found in each run's folder, and print it.

    examples: rows to show of each adapter. keep: whether it is all of the runs' own test set.
    """
    line = ProgressLine()
    try:
        report = evaluation.evaluate(asked, line.show)
    except KeyboardInterrupt:
        return ExitCode.STOPPED
    finally:
        line.clear()
    if keep:
        evaluation.keep(report, folders)
    if as_json:
        say_json(report)
    else:
        show(report, examples, console())
    return ExitCode.DONE


def show(report: Report, examples: int, to: Console) -> None:
    """Print the table and, of each adapter, the rows it changed most."""
    path = relative(Path(report.data) / f"{report.split}.jsonl")
    head = _("{path}: {n} rows, greedy answers").format(path=path, n=report.measured)
    to.print(Text(clean(head), "bold"))
    if report.questions != report.measured:
        said = _("{n} answers of conversations are asked one by one, each after the data's history")
        to.print(Text(said.format(n=report.questions), "dim"))
    if report.only_loss and report.rows:
        said = _("{n} rows have a loss alone: no answer of theirs is text")
        to.print(Text(said.format(n=report.only_loss), "dim"))
    if report.left_out:
        to.print(Text(_("{n} rows are left out:").format(n=report.left_out), "yellow"))
        for reason in report.reasons:
            to.print(Text(f"  {clean(reason)}", "dim"))
    to.print()
    to.print(_table(report))
    for score in report.scores:
        for turn in score.turns:
            to.print(Text(_turn(clean(score.name) or _("base model"), turn), "dim"))
    cut_off = [each for each in report.scores if each.cut_off]
    for score in cut_off:
        said = _("{name}: {n} answers were cut off at {most} tokens").format(
            name=clean(score.name) or _("base model"), n=score.cut_off, most=report.max_tokens
        )
        to.print(Text(said, "dim"))
    for score in report.scores:
        if score.name and report.rows and examples:
            _examples(report, score, examples, to)


def _table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    heads = ("", _("loss"), _("perplexity"), _("exact match"), _("token F1"), "chrF", _("seconds"))
    for at, head in enumerate(heads):
        table.add_column(head, justify="right" if at else "left", header_style="dim", no_wrap=True)
    several = len({score.model for score in report.scores}) > 1
    for score in report.scores:
        of = f" {Path(score.model).name}" if several else ""
        name = Text(clean(score.name or _("base model") + of), "bold" if score.name else "")
        table.add_row(name, *evaluation.figures(score, report.questions), f"{score.seconds:.1f}")
    return table


def _turn(name: str, turn: Turn) -> str:
    exact, f1 = turn.exact_match or 0.0, turn.token_f1 or 0.0
    said = _(
        "{name}, answer {turn} of a conversation ({n}): exact {exact:.1%}, F1 {f1:.1%}, chrF "
        "{chrf:.1f}"
    )
    return said.format(
        name=name, turn=turn.turn, n=turn.answers, exact=exact, f1=f1, chrf=turn.chrf
    )


def _examples(report: Report, score: Score, most: int, to: Console) -> None:
    found = evaluation.differences(report, score)
    better = [each for each in found if each.chrf > 0]
    worse = [each for each in reversed(found) if each.chrf < 0]
    for title, rows in (
        (_("{name}: nearer to the reference than the base model in {n} rows"), better),
        (_("{name}: farther from it than the base model in {n} rows"), worse),
    ):
        if rows:
            to.print()
            to.print(Text(title.format(name=clean(score.name), n=len(rows)), "bold"))
        for each in rows[:most]:
            to.print(_example(each))


def _example(each: Difference) -> Text:
    style = "green" if each.chrf > 0 else "red"
    text = Text(f"  {clean(each.row.question)}")
    text.append(f"  chrF {each.chrf:+.1f}\n", style)
    answers = (
        (_("reference"), each.row.reference),
        (_("base"), each.before),
        (_("adapter"), each.after),
    )
    width = max(len(what) for what, _answer in answers) + 1
    for what, answer in answers:
        text.append(f"    {what:{width}}", "dim").append(f"{clean(answer)}\n")
    text.rstrip()
    return text
