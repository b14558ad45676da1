"""Trackers: TensorBoard and Weights & Biases, fed from a run's record by a process of its own.

Neither the trainer nor the screen knows of it. The process is started beside the worker, reads what
the worker writes, and ends after it; whatever becomes of it, the run goes on.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from farense_worker.protocol import plain_file
from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import FarenseError, in_words, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.processes.programs import program
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.machine import extras

# What each needs, by its name in report.trackers, which is the extra's name too.
PACKAGES = {"tensorboard": "tensorboardX", "wandb": "wandb"}


def check(names: Sequence[str]) -> None:
    """Refuse trackers whose packages are not installed."""
    absent = [name for name in names if find_spec(PACKAGES[name]) is None]
    if absent:
        raise refused(
            _("not installed: {names}").format(names=", ".join(absent)),
            _("report.trackers wants what comes with an extra of farense-tui."),
            _("{command} installs it; --set report.trackers=[] does without.").format(
                command=extras.command(absent)
            ),
            kind="tracker",
        )


def place(folder: RunFolder, name: str) -> Path:
    """Where a tracker's files are."""
    return folder.path / name


def log(folder: RunFolder, name: str) -> Path:
    """What a tracker's process said, if something went wrong."""
    return folder.path / f"{name}.log"


def start(folder: RunFolder) -> tuple[subprocess.Popen[bytes], ...]:
    """Follow a run whose worker was just started, if its profile wants that; the processes."""
    names: Sequence[str] = ()
    with contextlib.suppress(FarenseError):
        names = folder.read_config().report.trackers
    return tuple(process for name in names if (process := _start(folder, name)))


def _start(folder: RunFolder, name: str) -> subprocess.Popen[bytes] | None:
    words = ("track", "--follow", "--to", name, str(folder.path))
    try:
        log(folder, name).unlink(missing_ok=True)  # what went wrong before is no longer true
        with plain_file.handed_on(log(folder, name)) as said:
            return subprocess.Popen(
                program("farense_tui", *words),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
    except OSError as error:  # a full disk, or no more processes: the run matters, not this
        told = _("not tracked to {name}: {error}").format(name=name, error=in_words(error))
        print(f"farense-tui: {clean(told)}", file=sys.stderr)
        return None
