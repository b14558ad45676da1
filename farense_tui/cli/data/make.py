"""`farense-tui data make`: rows out of whatever files there are, in a new folder."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import ExitCode, usage
from farense_worker.protocol.language import gettext as _

from farense_tui.cli import common
from farense_tui.cli.output import ProgressLine, relative, say, say_json
from farense_tui.dataset.look import Seen, Wish
from farense_tui.dataset.make import Made
from farense_tui.dataset.mapping import Unknown


def make(args: argparse.Namespace) -> int:
    """Tell what the sources are, show rows as they will be trained, and write them."""
    from farense_tui.dataset import make as making
    from farense_tui.dataset import write

    line = ProgressLine()
    try:
        wish, seen = _recognised(_wish(args), line)
        if not args.json:
            _show(seen)
        if args.dry_run:
            return ExitCode.DONE
        made = making.make(wish, seen, line.show)
    except KeyboardInterrupt:
        return ExitCode.STOPPED
    finally:
        line.clear()
    if args.json:
        say_json({"path": str(write.absolute(wish.to)), **dataclasses.asdict(made)})
    else:
        tell(wish.to, made)
    return ExitCode.DONE


def _wish(args: argparse.Namespace) -> Wish:
    from farense_tui.dataset import mapping, sources

    if not args.to and not args.dry_run:
        raise usage(
            _("--to is missing"), hint=_("--to DIR names the new folder; --dry-run only looks.")
        )
    return Wish(
        given=tuple(args.sources),
        to=Path(args.to or "."),
        map=mapping.parse(args.map),
        table=args.table,
        of=sources.Repository(args.revision, args.config),
        encoding=args.encoding,
        valid=args.valid,
        test=args.test,
        seed=args.seed,
        dedupe=args.dedupe,
        near=args.near,
        together=args.together,
        stratify=args.stratify,
        resplit=args.resplit,
        skip=args.skip,
    )


def _recognised(wish: Wish, line: ProgressLine) -> tuple[Wish, list[Seen]]:
    """Look at the sources; where nothing tells the columns, ask whoever sits there."""
    from farense_tui.dataset import look

    while True:
        try:
            seen = look.look(wish, line.show)
            line.clear()
            return wish, seen
        except Unknown as error:
            if wish.map or not common.terminal() or len(error.columns) < 2:
                raise
            wish = dataclasses.replace(wish, map=_ask(error))


def _ask(error: Unknown) -> dict[str, str]:
    from farense_tui.dataset import told

    say(error.title)
    for at, column in enumerate(error.columns, 1):
        say(f"  {at}  {clean(column)}: {told.short(str(error.example.get(column)))}")
    said = {}
    for target, what in (("prompt", _("question")), ("completion", _("answer"))):
        while target not in said:
            answer = input(_("the number of the {what}: ").format(what=what)).strip()
            if answer.isdigit() and 0 < int(answer) <= len(error.columns):
                said[target] = error.columns[int(answer) - 1]
    return said


def _show(seen: Sequence[Seen]) -> None:
    from farense_tui.dataset import told

    for line in told.seen(seen):
        say(line)
    say()
    say(_("as they will be trained, the answers between marks:"))
    for row in told.examples(seen):
        for line in told.row(row):
            say(f"  {line}")
        say()


def tell(to: Path, made: Made) -> None:
    from farense_tui.dataset import told

    counts = ", ".join(f"{name} {rows}" for name, rows in made.rows.items())
    say(_("{folder} is written: {counts} rows").format(folder=relative(to), counts=counts))
    for line in told.left_out(made):
        say(line)
    place = shlex.quote(relative(to))
    say(_("farense-tui data check {folder} shows it token by token").format(folder=place))
