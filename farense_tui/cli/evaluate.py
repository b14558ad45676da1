"""`farense-tui evaluate`: what the base models and the adapters come to, in one table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.messages.evaluation import Report, Request, Score
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Profile, replace_setting
from rich.console import Console
from rich.table import Table
from rich.text import Text

from farense_tui.cli import common
from farense_tui.cli.output import ProgressLine, console, relative, say_json, tell
from farense_tui.engine.runs import folders as runs
from farense_tui.engine.runs import found_again, new_run
from farense_tui.engine.tasks import evaluation
from farense_tui.engine.tasks.evaluation import Difference


def evaluate(args: argparse.Namespace) -> int:
    """Measure adapters and their base models on the test set."""
    folder = common.runs_dir(args)
    found = [runs.find(name, folder) for name in dict.fromkeys(args.runs)]
    given = {"split": args.split, "rows": args.rows, "max_tokens": args.max_tokens}
    asked = evaluation.request(found, data=_data_path(args.data), **given)
    models = (found_again.config_of(run).model for run in found)
    if not common.may_download(models, yes=args.yes):
        return ExitCode.STOPPED
    for run in found:
        for said in found_again.remarks(run, data=not args.data):
            tell(said)
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
    unkept = None
    if keep:
        try:
            evaluation.keep(report, folders)
        except FarenseError as error:  # said at last: what was found took minutes
            unkept = error
    if as_json:
        say_json(report)
    else:
        show(report, examples, console())
    if unkept:
        raise unkept
    return ExitCode.DONE


def show(report: Report, examples: int, to: Console) -> None:
    """Print the table and, of each adapter, the rows it changed most."""
    path = relative(Path(report.data) / f"{report.split}.jsonl")
    to.print(Text(clean(evaluation.headline(report, path)), "bold"))
    for text, important in evaluation.remarks(report):
        to.print(Text(clean(text), "yellow" if important else "dim"))
    to.print()
    to.print(_table(report))
    for text in evaluation.notes(report):
        to.print(Text(clean(text), "dim"))
    for score in report.scores:
        if score.name and report.rows and examples:
            _examples(report, score, examples, to)


def _table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    heads, *rows = evaluation.table(report)
    for at, head in enumerate(heads):
        table.add_column(head, justify="right" if at else "left", header_style="dim", no_wrap=True)
    for score, (name, *figures) in zip(report.scores, rows, strict=True):
        table.add_row(Text(clean(name), "bold" if score.name else ""), *figures)
    return table


def _examples(report: Report, score: Score, most: int, to: Console) -> None:
    for title, rows in evaluation.changed(report, score):
        to.print()
        to.print(Text(clean(title), "bold"))
        for each in rows[:most]:
            to.print(_example(each))


def _example(each: Difference) -> Text:
    style = "green" if each.chrf > 0 else "red"
    text = Text(f"  {clean(each.row.question)}")
    text.append(f"  chrF {each.chrf:+.1f}\n", style)
    width = max(len(what) for what, _answer in each.answers) + 1
    for what, answer in each.answers:
        text.append(f"    {what:{width}}", "dim").append(f"{clean(answer)}\n")
    text.rstrip()
    return text
