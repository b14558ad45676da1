"""The app itself, `farense-tui attach` and `farense-tui stop`."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from farense_worker.protocol import foreign_rows
from farense_worker.protocol.errors import ExitCode, refused, usage
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.cli import common
from farense_tui.cli.output import say
from farense_tui.engine import status_words
from farense_tui.engine.runs import describe, supervisor
from farense_tui.engine.runs.disk_fault import disk_fault
from farense_tui.engine.runs.supervisor import Control


def app(args: argparse.Namespace) -> int:
    """Open the app; on the user's data, where there are some."""
    data = getattr(args, "own_data", "")
    if data and not Path(data).exists():
        raise refused(
            _("there is no file or folder {path}").format(path=data),
            hint=foreign_rows.meant(Path(data))
            or _("farense-tui FOLDER opens the app on the data in it."),
        )
    return _screen(args, None, _folder(Path(data)) if data else "")


def _folder(path: Path) -> str:
    """The folder of a data set, if one of its files was named."""
    named = path.is_file() and path.stem in ("train", "valid", "test")
    return str(path.parent if named else path)


def attach(args: argparse.Namespace) -> int:
    """Show one run: on the screen, or as lines where there is no terminal."""
    run = common.run(args)
    describe.check_readable(run)
    if not common.terminal():
        from farense_tui.cli.running import headless

        return headless.watch(run)
    return _screen(args, run)


def stop(args: argparse.Namespace) -> int:
    """Stop a run from any terminal."""
    run = common.run(args)
    supervisor.ask(run, None if args.now else Control.STOP)
    asked = _("killed") if args.now else _("finishing the step and saving")
    say(f"{run.name}: {asked}")
    try:
        while not supervisor.wait_until_gone(run, 1.0):
            pass
    except KeyboardInterrupt:
        return ExitCode.STOPPED
    summary = describe.summarise(run)
    if not summary.state.ended and (fault := disk_fault(run.path)):
        raise fault
    say(f"{run.name}: {status_words.ended(summary.status, summary.state.step)}")
    with contextlib.suppress(KeyboardInterrupt):
        supervisor.wait_for_report(run)
    return ExitCode.DONE


def _screen(args: argparse.Namespace, run: RunFolder | None, data: str = "") -> int:
    if not common.terminal():
        raise usage(
            _("there is no terminal to open the app in"),
            hint=_("farense-tui train starts a run without a screen; --help lists the commands."),
        )
    from farense_tui.ui.app import run_app

    return run_app(common.runs_dir(args), run, data=data)
