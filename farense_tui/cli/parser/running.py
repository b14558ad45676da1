"""Commands for runs: start, list, watch, stop, continue."""

from __future__ import annotations

from farense_worker.protocol.language import gettext as _

from farense_tui.cli.parser import shared
from farense_tui.cli.parser.program import Program


def add(program: Program) -> None:
    program.group(_("runs"))
    _train(program)
    _runs(program)
    _attach(program)
    _stop(program)
    _resume(program)


def _train(program: Program) -> None:
    command = program.add(
        "train",
        "running.training:train",
        _("start a run"),
        about=_(
            "It is followed in plain lines; Ctrl-C finishes the step, saves and ends it, "
            "a second Ctrl-C kills it."
        ),
        examples=(
            "farense-tui train --profile demo",
            "farense-tui train --data ~/club --set train.epochs=2 --name club-1",
            "farense-tui train --profile m1-16gb --detach",
        ),
    )
    shared.add_profile(command)
    shared.add_model(command)
    shared.add_data(command)
    shared.add_set(command)
    command.add_argument("--name", metavar=_("NAME"), help=_("of the run; default: P-1, P-2, ..."))
    command.add_argument(
        "--anyway", action="store_true", help=_("start even what cannot fit into memory")
    )
    shared.add_yes(command)
    shared.add_machines(command)
    shared.add_following(command)


def _runs(program: Program) -> None:
    command = program.add(
        "runs",
        "listing:list_runs",
        _("list the runs, the newest first"),
        examples=("farense-tui runs", "farense-tui runs --json --runs-dir ~/runs"),
    )
    shared.add_json(command)


def _attach(program: Program) -> None:
    command = program.add(
        "attach",
        "running.watching:attach",
        _("show a run, live or finished"),
        about=_(
            "On the screen, or as plain lines where there is no terminal. "
            "Leaving it leaves the run going."
        ),
        examples=("farense-tui attach demo-1",),
    )
    shared.add_run(command)


def _stop(program: Program) -> None:
    command = program.add(
        "stop",
        "running.watching:stop",
        _("finish the step, save and end a run"),
        examples=("farense-tui stop demo-1", "farense-tui stop demo-1 --now"),
    )
    shared.add_run(command)
    command.add_argument("--now", action="store_true", help=_("kill it, without saving"))


def _resume(program: Program) -> None:
    command = program.add(
        "resume",
        "running.training:resume",
        _("continue a run from its last good checkpoint"),
        examples=("farense-tui resume demo-1", "farense-tui resume demo-1 --set train.epochs=5"),
    )
    shared.add_run(command)
    shared.add_set(command, _("epochs, rates or cadences; what made the checkpoint stays"))
    shared.add_machines(command)
    shared.add_following(command)
