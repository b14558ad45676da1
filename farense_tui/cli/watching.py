"""The app itself, `farense-tui attach` and `farense-tui stop`."""

from __future__ import annotations

import argparse

from farense_tui.cli import common
from farense_tui.engine import runs, supervisor
from farense_tui.engine.supervisor import Control
from worker.protocol.errors import ExitCode, usage
from worker.protocol.runfolder import RunFolder


def app(args: argparse.Namespace) -> int:
    """Open the app."""
    return _screen(args, None)


def attach(args: argparse.Namespace) -> int:
    """Show one run: on the screen, or as lines where there is no terminal."""
    run = common.run(args)
    runs.check_format(run)
    if not common.terminal():
        from farense_tui.cli import headless

        return headless.watch(run)
    return _screen(args, run)


def stop(args: argparse.Namespace) -> int:
    """Stop a run from any terminal."""
    run = common.run(args)
    told = supervisor.kill(run) if args.now else supervisor.send(run, Control.STOP)
    if not told:
        raise supervisor.not_running(run)
    print(f"{run.name}: {'killed' if args.now else 'finishing the step and saving'}", flush=True)
    try:
        while not supervisor.wait_until_gone(run, 1.0):
            pass
    except KeyboardInterrupt:
        return ExitCode.STOPPED
    summary = runs.summarise(run)
    print(f"{run.name}: {summary.status} after step {summary.state.step}")
    return ExitCode.DONE


def _screen(args: argparse.Namespace, run: RunFolder | None) -> int:
    if not common.terminal():
        raise usage(
            "there is no terminal to open the app in",
            hint="farense-tui train starts a run without a screen; --help lists the commands.",
        )
    from farense_tui.app import run_app

    return run_app(common.runs_dir(args), run)
