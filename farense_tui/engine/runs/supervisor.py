"""Start a worker and steer it.

The worker leads a session of its own, writes its record to files and holds the run's lock, so it
does not depend on whoever started it: any process can steer any run through its folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from enum import Enum

from farense_worker.protocol import simulation
from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.programs import program
from farense_worker.protocol.run_folder import RunFolder, disk_error

from farense_tui.engine.machine import blas
from farense_tui.engine.machine.awake import keep_awake
from farense_tui.engine.runs import trackers

STOP_PATIENCE = 20.0


class Control(Enum):
    """What can be asked of a worker."""

    STOP = signal.SIGTERM
    PAUSE = signal.SIGTSTP
    CONTINUE = signal.SIGCONT
    CHECKPOINT = signal.SIGUSR1
    STACKS = signal.SIGUSR2


@dataclass(frozen=True)
class Worker:
    """A worker that this process has started."""

    folder: RunFolder
    process: subprocess.Popen[bytes]

    def wait(self) -> int:
        """Wait for its end; the exit code, negative for the signal that killed it."""
        return self.process.wait()

    def poll(self) -> int | None:
        """Give the exit code, None while it lives."""
        return self.process.poll()


def launch(folder: RunFolder) -> Worker:
    """Start the worker on a run folder, new or to be resumed.

    It inherits the run's lock, so two launchers cannot both start one. Raises FarenseError
    (refused) if the run is being trained or its files cannot be written.
    """
    module = "farense_worker.simulated" if simulation.read(folder.path) else "farense_worker"
    lock = folder.acquire()
    try:
        with folder.events.open("ab") as record, folder.log.open("ab") as log:
            process = subprocess.Popen(
                program(module, str(folder.path)),
                stdin=subprocess.DEVNULL,
                stdout=record,
                stderr=log,
                start_new_session=True,
                pass_fds=(lock,),
                env=_environment(folder, lock),
            )
    except OSError as error:
        raise disk_error(error, folder.path) from error
    finally:
        os.close(lock)
    if module == "farense_worker":
        keep_awake(process.pid)
    trackers.start(folder)
    return Worker(folder, process)


def _environment(folder: RunFolder, lock: int) -> dict[str, str]:
    """What the worker needs to know besides its folder. It writes no report itself, because it
    knows nothing of the app; but it outlives the screen, so it is what starts the report.
    """
    report = program("farense_tui", "report", "--update", str(folder.path))
    return {
        **os.environ,
        **blas.environment(folder.read_config().run.ranks),
        "FARENSE_LOCK": str(lock),
        "FARENSE_AFTERWARDS": json.dumps(report),
        "TOKENIZERS_PARALLELISM": "false",
    }


def send(folder: RunFolder, control: Control, patience: float = 5.0) -> bool:
    """Ask the worker of a run for something; False if there is no worker.

    A worker that has just been started takes signals only once its process id is in the lock
    file, so this waits for that at most `patience` seconds.
    """
    pid = _pid(folder, patience)
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, control.value)
        return True
    return False


def kill(folder: RunFolder) -> bool:
    """Kill the worker with whatever it has started; False if there is no worker."""
    pid = _pid(folder, 5.0)
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
        return True
    return False


def wait_until_gone(folder: RunFolder, seconds: float) -> bool:
    """Wait until no worker holds the run's lock; whether it came to that."""
    deadline = time.monotonic() + seconds
    while folder.is_alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def not_running(folder: RunFolder) -> FarenseError:
    """Make the error for a control that needs a living worker."""
    return refused(
        _("run {name} is not being trained").format(name=folder.name),
        hint=_("farense-tui resume {name} continues it.").format(name=folder.name),
        kind="not_running",
    )


def _pid(folder: RunFolder, patience: float) -> int | None:
    deadline = time.monotonic() + patience
    while folder.is_alive():
        pid = folder.pid()
        if pid is not None:
            return pid
        if time.monotonic() > deadline:
            return None
        time.sleep(0.02)
    return None
