"""Commands for before a run: is all there, does it fit, is the data right?"""

from __future__ import annotations

from pathlib import Path

from farense_worker.protocol.language import gettext as _

from farense_tui.cli.parser import data, shared
from farense_tui.cli.parser.program import Command, Program


def add(program: Program) -> None:
    program.group(_("before a run"))
    _doctor(program)
    _verify(program)
    _models(program)
    _profiles(program)
    _import(program)
    data.add(program)
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
        "--compile",
        choices=("auto", "on", "off"),
        default="auto",
        metavar="C",
        help=_("train.compile of the runs: auto, on, off"),
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
        "import_config:import_config",
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
        help=_("judge for a Mac with this much memory; default: this machine"),
    )
    command.add_argument(
        "--probe", action="store_true", help=_("take a few real steps, to be exact")
    )
    shared.add_json(command)
