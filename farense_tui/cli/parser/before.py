"""Commands for before a run: is all there, does it fit, is the data right?"""

from __future__ import annotations

import argparse
from pathlib import Path

from farense_worker.protocol.language import gettext as _

from farense_tui.cli.parser import shared
from farense_tui.cli.parser.program import Command, Program
from farense_tui.compat import Subparsers


def add(program: Program) -> None:
    program.group(_("before a run"))
    _doctor(program)
    _verify(program)
    _models(program)
    _profiles(program)
    _import(program)
    _data(program)
    _estimate(program)


def _doctor(program: Program) -> None:
    command = program.add(
        "doctor",
        "doctor:doctor",
        _("look at the machine, MLX, model, data, disk and power"),
        about=_(
            "Each line is ok, warn or fail, with what to do about it. "
            "Exit code 3: a run could not start."
        ),
        examples=("farense-tui doctor", "farense-tui doctor --profile m1-16gb --json"),
    )
    shared.add_profile(command)
    shared.add_model(command)
    shared.add_data(command)
    shared.add_json(command)
    command.set_defaults(set=[])


def _verify(program: Program) -> None:
    command = program.add(
        "verify",
        "verify:verify",
        _("prove on this machine that gradient, resume and forecast are right"),
        about=_(
            "It trains for some minutes in a temporary folder and tells each check with what was "
            "expected and found; docs/verify.md says what they mean. Exit code 1: something does "
            "not hold. Ctrl-C ends it and leaves nothing behind."
        ),
        examples=(
            "farense-tui verify",
            "farense-tui verify --bench",
            "farense-tui verify --model mlx-community/Qwen3-0.6B-4bit --json",
        ),
    )
    command.add_argument(
        "--model",
        metavar="M",
        default="",
        help=_("folder or repository (owner/name); default: the embedded model"),
    )
    command.add_argument(
        "--bench",
        action="store_true",
        help=_("measure speed longer, and keep it: forecasts of time are made from it"),
    )
    command.add_argument(
        "--to",
        type=Path,
        metavar=_("DIR"),
        help=_("where record and readings are written; default: ~/.local/share/farense-tui"),
    )
    shared.add_json(command, _("print JSON, a line for each check"))


def _models(program: Program) -> None:
    listing = program.add(
        "models",
        "models:list_models",
        _("list the models on this machine, or download one"),
        about=_(
            "It lists the embedded one, what is in Hugging Face's cache and what lies in "
            "local folders."
        ),
        examples=(
            "farense-tui models",
            "farense-tui models download mlx-community/Qwen3-0.6B-4bit",
        ),
    )
    shared.add_json(listing)
    below = listing.add_subparsers(title=_("commands"), metavar=_("COMMAND"), parser_class=Command)
    listing.usage = "%(prog)s " + _("[OPTIONS] [COMMAND ...]")
    download = program.add(
        "download",
        "models:download",
        _("bring a model into Hugging Face's cache, or go on with it"),
        about=_("Ctrl-C leaves it to be continued."),
        examples=("farense-tui models download mlx-community/Qwen3-0.6B-4bit",),
        below=below,
    )
    download.add_argument("repo", metavar=_("REPO"), help=_("the repository, owner/name"))
    download.add_argument(
        "--revision",
        default="",
        metavar="R",
        help=_("branch, tag or commit; default: the main branch"),
    )
    shared.add_json(download)


def _profiles(program: Program) -> None:
    command = program.add(
        "profiles",
        "listing:list_profiles",
        _("list the profiles and mark the one that fits this machine"),
        examples=("farense-tui profiles",),
    )
    shared.add_json(command)


def _import(program: Program) -> None:
    command = program.add(
        "import",
        "data:import_config",
        _("make a profile of an mlx_lm.lora configuration"),
        about=_("It tells what became of each key."),
        examples=("farense-tui import lora_config.yaml --name mine",),
    )
    command.add_argument(
        "config", type=Path, metavar="CONFIG.yaml", help=_("what you gave to mlx_lm.lora --config")
    )
    command.add_argument("--name", metavar=_("NAME"), help=_("of the profile; default: the file's"))
    command.add_argument(
        "--to", type=Path, metavar=_("DIR"), help=_("where to write it; default: ./profiles")
    )


def _data(program: Program) -> None:
    command = program.add(
        "data",
        "data:check",
        _("make a data set, or look through one"),
        examples=("farense-tui data make rows.csv --to club", "farense-tui data check club"),
    )
    below = command.add_subparsers(
        title=_("commands"), metavar=_("COMMAND"), required=True, parser_class=Command
    )
    _data_make(program, below)
    checking = program.add(
        "check",
        "data:check",
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
        "data_make:make",
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
        help=_("from which likeness on rows are nearly the same; default 0.85"),
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


def _share(text: str) -> float:
    """A fraction or a number of rows."""
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1e12 or (share > 1 and share != int(share)):
        raise argparse.ArgumentTypeError(_("it is a fraction from 0 to 1, or a number of rows"))
    return share


def _estimate(program: Program) -> None:
    command = program.add(
        "estimate",
        "estimate:estimate",
        _("tell what a run will take, before it starts"),
        about=_("Memory, disk, steps and time, and what would make it fit."),
        examples=(
            "farense-tui estimate",
            "farense-tui estimate --profile m1-32gb --memory 16",
            "farense-tui estimate --profile demo --probe",
        ),
    )
    shared.add_profile(command, default=_("all of them, in a table"))
    shared.add_model(command)
    shared.add_data(command)
    shared.add_set(command)
    command.add_argument(
        "--memory",
        type=int,
        default=0,
        metavar="GB",
        help=_("judge for a Mac with so much memory; default: this machine"),
    )
    command.add_argument("--probe", action="store_true", help=_("take one real step, to be exact"))
    shared.add_json(command)
