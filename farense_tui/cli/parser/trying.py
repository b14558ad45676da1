"""Commands that only play a run: to look at the app, or at a record once more."""

from __future__ import annotations

from pathlib import Path

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.simulation import SCENARIOS

from farense_tui.cli.parser.program import Command, Program


def add(program: Program) -> None:
    program.group(_("to try the app"))
    _demo(program)
    _replay(program)


def _demo(program: Program) -> None:
    command = program.add(
        "demo",
        "running.play:demo",
        _("play a scenario of a simulated worker: nothing is trained"),
        about=_("The run is kept only if --runs-dir says where."),
        examples=("farense-tui demo", "farense-tui demo nan --speed 50"),
    )
    width = max(map(len, SCENARIOS)) + 2
    told = "\n".join(f"  {name:{width}}{about}" for name, about in SCENARIOS.items())
    command.epilog = _("scenarios:") + f"\n{told}\n\n{command.epilog}"
    command.add_argument(
        "scenario", metavar=_("SCENARIO"), nargs="?", default="ok", help=_("see below; default: ok")
    )
    _add_speed(command)


def _replay(program: Program) -> None:
    command = program.add(
        "replay",
        "running.play:replay",
        _("play a record once more: nothing is trained"),
        examples=("farense-tui replay checkpoints/demo-1 --speed 100",),
    )
    command.add_argument(
        "record", type=Path, metavar="EVENTS.jsonl", help=_("the record, or its run folder")
    )
    _add_speed(command)


def _add_speed(command: Command) -> None:
    command.add_argument(
        "--speed", type=float, default=10.0, metavar="X", help=_("times as fast; default 10")
    )
