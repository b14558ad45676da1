"""The commands `demo` and `replay`: runs that are only played, by a worker that trains nothing."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from farense_worker.protocol.processes.programs import temporary_folder
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.cli import common
from farense_tui.cli.running import headless
from farense_tui.engine.runs import folders, played, supervisor
from farense_tui.engine.runs.supervisor import Worker

_PATIENCE = 10.0


def demo(args: argparse.Namespace) -> int:
    """Play a scenario on the screen, or as lines where there is no terminal; the exit code.

    The run is kept only if --runs-dir says where.
    """
    with _folder(args.runs_dir) as folder:
        owner = _owner(args.runs_dir)
        run = played.prepare_scenario(args.scenario, args.speed, folder, owner)
        interrupts = headless.Interrupts()
        if not common.terminal():
            interrupts.listen()
        worker = supervisor.launch(run)
        if common.terminal():
            return _screen(folder, worker)
        return headless.follow(worker, interrupts, as_json=False)


def replay(args: argparse.Namespace) -> int:
    """Play a record as `demo` plays a scenario; the exit code of the run that is played."""
    with _folder(args.runs_dir) as folder:
        owner = _owner(args.runs_dir)
        run = played.prepare_replay(args.record, args.speed, folder, owner)
        worker = supervisor.launch(run)
        return _screen(folder, worker) if common.terminal() else headless.watch(run)


@contextlib.contextmanager
def _folder(given: str | None) -> Iterator[Path]:
    """A folder for the run: the given one, or one that is gone afterwards with its workers."""
    if given:
        yield Path(os.path.expanduser(given))
        return
    folder = temporary_folder()
    try:
        yield folder
    finally:
        try:
            for run in folders.folders(folder):
                _end(run)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _owner(given: str | None) -> int:
    """This process, if the folder is to be thrown away: a closed terminal may kill it."""
    return 0 if given else os.getpid()


def _end(run: RunFolder) -> None:
    if supervisor.kill(run):
        supervisor.wait_until_gone(run, _PATIENCE)


def _screen(folder: Path, worker: Worker) -> int:
    from farense_tui.ui.app import run_app

    return run_app(folder, worker.folder, worker)
