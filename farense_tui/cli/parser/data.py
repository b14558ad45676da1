"""Commands for the data: make it, look through it, mend it."""

from __future__ import annotations

import argparse

from farense_worker.protocol.language import gettext as _

from farense_tui.cli.parser import shared
from farense_tui.cli.parser.program import Command, Program
from farense_tui.compat import Subparsers
from farense_tui.dataset.documents import wanted


def add(program: Program) -> None:
    command = program.add(
        "data",
        "data.check:check",
        _("make a data set, or look through one"),
        examples=("farense-tui data make rows.csv --to club", "farense-tui data check club"),
    )
    below = command.add_subparsers(
        title=_("commands"), metavar=_("COMMAND"), required=True, parser_class=Command
    )
    _data_make(program, below)
    _data_mend(program, below)
    _data_draft(program, below)
    checking = program.add(
        "check",
        "data.check:check",
        _("show what is trained on: labels, lengths, duplicates, faults"),
        about=_("Exit code 3: the data cannot be trained on."),
        examples=(
            "farense-tui data check embedded --profile demo",
            "farense-tui data check ~/club --rows 10 --set train.max_seq_length=512",
        ),
        below=below,
    )
    checking.add_argument(
        "data", metavar=_("DIR"), help=_("folder with train.jsonl, or 'embedded'")
    )
    shared.add_profile(checking)
    shared.add_model(checking)
    shared.add_set(checking)
    checking.add_argument(
        "--rows", type=int, default=3, metavar="N", help=_("examples to show; default 3")
    )
    shared.add_json(checking)


def _data_make(program: Program, below: Subparsers) -> None:
    making = program.add(
        "make",
        "data.make:make",
        _("make a data set of the files you have, in a new folder"),
        about=_(
            "It tells what it recognised and by which sign, shows three rows, and asks only where "
            "nothing tells. Nothing is overwritten; dataset.json says where each row came from."
        ),
        examples=(
            "farense-tui data make questions.csv --to club",
            "farense-tui data make a.jsonl b.xlsx --to club --valid 0.1 --test 50",
            "farense-tui data make t.csv --to club --map prompt=title+body --map completion=reply",
        ),
        below=below,
    )
    making.intermixed = True
    making.add_argument(
        "sources",
        nargs="+",
        metavar=_("SOURCE"),
        help=_("files, folders with files, or data sets of the hub (owner/name)"),
    )
    making.add_argument("--to", metavar=_("DIR"), help=_("the new folder"))
    making.add_argument(
        "--map",
        metavar=_("TARGET=COLUMN"),
        action="append",
        default=[],
        help=_("which column is prompt, completion, system, messages or text; A+B joins two"),
    )
    making.add_argument(
        "--table", metavar=_("NAME"), default="", help=_("the table of a database, or the sheet")
    )
    making.add_argument(
        "--revision",
        metavar="R",
        default="",
        help=_("of a data set of the hub: branch, tag or commit"),
    )
    making.add_argument(
        "--config",
        metavar=_("NAME"),
        default="",
        help=_("of a data set of the hub: which part of it"),
    )
    making.add_argument(
        "--encoding", metavar=_("NAME"), default="", help=_("of text; default: it is recognised")
    )
    for name in ("valid", "test"):
        making.add_argument(
            f"--{name}",
            type=_share,
            metavar="N",
            help=_("rows for it: a fraction, or a number; default: a tenth, or the sources' own"),
        )
    making.add_argument(
        "--seed", type=int, default=0, metavar="N", help=_("of the draw; default 0")
    )
    making.add_argument(
        "--resplit", action="store_true", help=_("draw the splits anew where the sources name some")
    )
    making.add_argument(
        "--together", metavar=_("COLUMN"), default="", help=_("rows of one value stay in one split")
    )
    making.add_argument(
        "--stratify",
        metavar=_("COLUMN"),
        default="",
        help=_("each value gives its share to a split"),
    )
    making.add_argument(
        "--dedupe",
        choices=("exact", "near", "none"),
        default="exact",
        help=_("leave out rows that are the same, or nearly; default: exact"),
    )
    making.add_argument(
        "--near",
        type=_share,
        default=0.85,
        metavar="F",
        help=_("the likeness from which rows are nearly the same; default 0.85"),
    )
    making.add_argument(
        "--skip",
        action="store_true",
        help=_("leave out what cannot be trained on, however much it is"),
    )
    making.add_argument(
        "--dry-run", action="store_true", help=_("tell and show, and write nothing")
    )
    shared.add_json(making)


def _data_draft(program: Program, below: Subparsers) -> None:
    drafting = program.add(
        "draft",
        "data.draft:draft",
        _("have a model write questions and answers from documents"),
        about=_(
            "PDF, DOCX, HTML, Markdown and text are cut into passages; the model asks and answers "
            "about each. Ctrl-C stops; the same command goes on there. Nothing of it is trained on "
            "before data review."
        ),
        examples=(
            "farense-tui data draft history.pdf --to club-draft --profile m1-16gb",
            "farense-tui data draft docs --to d --address http://127.0.0.1:8080/v1 --name NAME",
        ),
        below=below,
    )
    drafting.intermixed = True
    words = wanted.words()
    drafting.add_argument(
        "documents", nargs="+", metavar=_("DOCUMENT"), help=_("files, or folders with files")
    )
    drafting.add_argument(
        "--to", metavar=_("DIR"), required=True, help=_("the folder of the draft")
    )
    drafting.add_argument(
        "--questions",
        type=int,
        default=wanted.USUAL,
        choices=wanted.QUESTIONS,
        metavar="N",
        help=words["questions"],
    )
    drafting.add_argument(
        "--once",
        action="store_true",
        help=_("do not ask the model again whether it finds each answer in the passage"),
    )
    drafting.add_argument(
        "--address",
        metavar="URL",
        help=words["address"],
    )
    drafting.add_argument("--name", metavar=_("NAME"), help=words["name"])
    shared.add_profile(drafting)
    shared.add_model(drafting)
    shared.add_set(drafting)
    shared.add_yes(drafting)
    drafting.set_defaults(data=None)
    reviewing = program.add(
        "review",
        "data.draft:review",
        _("read what a model wrote, and keep, edit or drop it"),
        about=_("data make DRAFT --to DIR then makes rows of what is kept."),
        examples=("farense-tui data review club-draft",),
        below=below,
    )
    reviewing.add_argument("draft", metavar=_("DRAFT"), help=_("the folder of the draft"))
    reviewing.add_argument("--list", action="store_true", help=_("print all, and decide nothing"))


def _data_mend(program: Program, below: Subparsers) -> None:
    mending = program.add(
        "mend",
        "data.mend:mend",
        _("make a better data set of one that data check found wanting, in a new folder"),
        about=_(
            "Rows that occur twice are always left out. data check names the codes and the "
            "command; nothing is changed in place."
        ),
        examples=(
            "farense-tui data mend club --to club-2 --leave-out mojibake,template",
            "farense-tui data mend club --to club-2 --cut --valid 0.1",
        ),
        below=below,
    )
    mending.add_argument("data", metavar=_("DIR"), help=_("folder with train.jsonl"))
    mending.add_argument("--to", metavar=_("DIR"), required=True, help=_("the new folder"))
    mending.add_argument(
        "--leave-out",
        metavar=_("CODES"),
        default="",
        help=_("rows with these findings, codes between commas"),
    )
    mending.add_argument(
        "--cut",
        action="store_true",
        help=_("cut rows that are too long: text into pieces, conversations to their first turns"),
    )
    for name in ("valid", "test"):
        mending.add_argument(
            f"--{name}", type=_share, metavar="N", help=_("hold rows out: a fraction, or a number")
        )
    shared.add_profile(mending)
    shared.add_model(mending)
    shared.add_set(mending)


def _share(text: str) -> float:
    """A fraction or a number of rows."""
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1e12 or (share > 1 and share != int(share)):
        raise argparse.ArgumentTypeError(_("it is a fraction from 0 to 1, or a number of rows"))
    return share
