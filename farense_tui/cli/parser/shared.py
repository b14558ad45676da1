"""Arguments that several commands have, so that they read the same everywhere."""

from __future__ import annotations

import argparse

from farense_tui.cli.parser.program import Command
from worker.protocol.hosts import BACKENDS


def common() -> Command:
    """Give the options that every command has."""
    parser = Command(add_help=False)
    # Without SUPPRESS, the command's default would undo what is given before the command.
    add_common(parser, default=argparse.SUPPRESS)
    return parser


def add_common(parser: argparse.ArgumentParser, default: object = None) -> None:
    """Add them; `default` stands for what is not given."""
    parser.add_argument(
        "--runs-dir",
        metavar="DIR",
        default=default,
        help="where runs are kept; default: $FARENSE_RUNS, else ./checkpoints",
    )
    parser.add_argument(
        "--ascii",
        action="store_true",
        default=default or False,
        help="draw with ASCII alone, as FARENSE_ASCII=1 does",
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    """RUN."""
    parser.add_argument("run", metavar="RUN", help="name of a run, or its folder")


def add_json(parser: argparse.ArgumentParser, what: str = "print JSON") -> None:
    """--json."""
    parser.add_argument("--json", action="store_true", help=what)


def add_profile(
    parser: argparse.ArgumentParser, default: str = "the one that fits this machine"
) -> None:
    """--profile."""
    parser.add_argument(
        "--profile", metavar="P", help=f"name or file of a profile; default: {default}"
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """--model."""
    parser.add_argument(
        "--model",
        metavar="M",
        help="folder, repository (owner/name) or 'embedded'; default: the profile's",
    )


def add_data(parser: argparse.ArgumentParser) -> None:
    """--data."""
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="folder with train.jsonl, or 'embedded'; default: the profile's",
    )


def add_set(parser: argparse.ArgumentParser, which: str = "any setting of the profile") -> None:
    """--set."""
    parser.add_argument(
        "--set",
        metavar="SECTION.KEY=VALUE",
        action="append",
        default=[],
        help=f"{which}; as often as you like",
    )


def add_machines(parser: argparse.ArgumentParser) -> None:
    """--hosts, --ranks and --backend."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--hosts", metavar="FILE", help="train on the machines in this list (mlx.launch)"
    )
    where.add_argument(
        "--ranks", type=int, metavar="N", help="train with N processes on this machine"
    )
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        metavar="B",
        help=f"how they talk: {', '.join(BACKENDS)}; default: ring",
    )


def add_following(parser: argparse.ArgumentParser) -> None:
    """--json and --detach."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print the worker's events")
    how.add_argument("--detach", action="store_true", help="leave the run in the background")
