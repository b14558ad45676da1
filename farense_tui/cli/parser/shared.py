"""Arguments that several commands have, so that they read the same everywhere."""

from __future__ import annotations

import argparse

from farense_worker.protocol import language
from farense_worker.protocol.hosts import BACKENDS
from farense_worker.protocol.language import gettext as _

from farense_tui.cli.parser.program import Command
from farense_tui.compat import Container


def common() -> Command:
    parser = Command(add_help=False)
    group = parser.add_argument_group(_("options of every command"))
    # Without SUPPRESS, the command's default would undo what is given before the command.
    add_common(group, default=argparse.SUPPRESS)
    return parser


def add_common(parser: Container, default: object = None) -> None:
    """`default` stands for what is not given."""
    parser.add_argument(
        "--runs-dir",
        metavar=_("DIR"),
        default=default,
        help=_("where runs are kept; default: $FARENSE_RUNS, else ./checkpoints"),
    )
    parser.add_argument(
        "--ascii",
        action="store_true",
        default=default or False,
        help=_("draw with ASCII alone, as FARENSE_ASCII=1 does"),
    )
    parser.add_argument(
        "--lang",
        type=_language,
        metavar="L",
        default=default,
        help=_("speak English (en) or Portuguese (pt); default: $FARENSE_LANG, else the locale's"),
    )


def _language(text: str) -> str:
    """Check what farense_tui/__main__.py has taken before anything was said."""
    if found := language.known(text):
        return found
    known = ", ".join(f"{code} ({name})" for code, name in language.LANGUAGES.items())
    raise argparse.ArgumentTypeError(
        _("{given!r} is no language known here; there are {known}").format(given=text, known=known)
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar=_("RUN"), help=_("name of a run, or its folder"))


def add_json(parser: argparse.ArgumentParser, what: str = _("print JSON")) -> None:
    parser.add_argument("--json", action="store_true", help=what)


def add_yes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--yes",
        action="store_true",
        help=_("agree to the download of the model, of which more than 100 MB are asked about"),
    )


def add_profile(
    parser: argparse.ArgumentParser, default: str = _("the one that fits this machine")
) -> None:
    parser.add_argument(
        "--profile",
        metavar="P",
        help=_("name or file of a profile; default: {default}").format(default=default),
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        metavar="M",
        help=_("folder, repository (owner/name) or 'embedded'; default: the profile's"),
    )


def add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        metavar=_("DIR"),
        help=_("folder with train.jsonl, or 'embedded'; default: the profile's"),
    )


def add_set(parser: argparse.ArgumentParser, which: str = _("any setting of the profile")) -> None:
    parser.add_argument(
        "--set",
        metavar=_("SECTION.KEY=VALUE"),
        action="append",
        default=[],
        help=_("{which}; as often as you like").format(which=which),
    )


def add_machines(parser: argparse.ArgumentParser) -> None:
    """--hosts, --ranks and --backend."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--hosts", metavar=_("FILE"), help=_("train on the machines in this list (mlx.launch)")
    )
    where.add_argument(
        "--ranks", type=int, metavar="N", help=_("train with N processes on this machine")
    )
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        metavar="B",
        help=_("how they talk: {names}; default: ring").format(names=", ".join(BACKENDS)),
    )


def add_following(parser: argparse.ArgumentParser) -> None:
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help=_("print the worker's events"))
    how.add_argument("--detach", action="store_true", help=_("leave the run in the background"))
