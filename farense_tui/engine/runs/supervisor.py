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
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import psutil
from farense_worker.protocol import plain_file, simulation, whole_folder
from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.processes import lock_holder
from farense_worker.protocol.processes.programs import environment, program
from farense_worker.protocol.run_folder import RunFolder, disk_error, full, is_full

from farense_tui.engine.machine import blas
from farense_tui.engine.machine.awake import keep_awake
from farense_tui.engine.runs import found_again, trackers

STOP_PATIENCE = 20.0
REPORT_PATIENCE = 60.0  # seconds; a first one on a Mac looks through its fonts


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
    trackers: tuple[subprocess.Popen[bytes], ...] = ()

    def wait(self) -> int:
        """Wait for its end; the exit code, negative for the signal that killed it."""
        return self.process.wait()

    def poll(self) -> int | None:
        """Give the exit code, None while it lives."""
        return self.process.poll()

    def is_over(self) -> bool:
        """Whether all that belongs to it has ended too: its trackers, and who writes its report."""
        ended = [each.poll() is not None for each in (self.process, *self.trackers)]
        return all(ended) and whole_folder.is_free(self.folder.path)


def launch(folder: RunFolder, program_of: str = "") -> Worker:
    """Start the worker on a run folder, new or to be resumed.

    program_of: a module that stands in for the worker's own.

    It inherits the run's lock, so two launchers cannot both start one. Raises FarenseError
    (refused) if the run is being trained or its files cannot be written.
    """
    if is_full(folder.path):
        raise full(folder.path)
    simulated = simulation.read(folder.path) is not None
    module = program_of or ("farense_worker.simulated" if simulated else "farense_worker")
    lock = folder.acquire()
    try:
        with plain_file.handed_on(folder.events) as record, plain_file.handed_on(folder.log) as log:
            if not simulated:
                found_again.write(folder)
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
        plain_file.release(lock)
    if not simulated:
        keep_awake(process.pid)
    return Worker(folder, process, trackers.start(folder))


def _environment(folder: RunFolder, lock: int) -> dict[str, str]:
    """What the worker needs to know besides its folder. It writes no report itself, because it
    knows nothing of the app; but it outlives the screen, so it is what starts the report.
    """
    report = program("farense_tui", "report", "--update", str(folder.path))
    return {
        **environment(),
        **blas.environment(folder.read_config().run.ranks),
        "FARENSE_LOCK": str(lock),
        "FARENSE_AFTERWARDS": json.dumps(report),
        "TOKENIZERS_PARALLELISM": "false",
    }


def send(folder: RunFolder, control: Control, patience: float = 5.0) -> bool:
    """Ask the worker of a run for something; False if there is no worker.

    A worker that has just been started takes signals only once its process id is in the lock
    file, so this waits for that at most `patience` seconds. Raises FarenseError (refused) where
    the worker cannot be reached: it is of another machine, container or user.
    """
    how = _wake_and_kill if control is Control.STOP else os.kill
    return _signal(folder, how, control.value, patience)


def kill(folder: RunFolder) -> bool:
    """Kill the worker with whatever it has started; False and errors as `send`."""
    return _signal(folder, _kill_group, signal.SIGKILL, 5.0)


def ask(folder: RunFolder, control: Control | None) -> None:
    """`send`, or `kill` for None; FarenseError where nobody was reached, for whatever reason."""
    if not (kill(folder) if control is None else send(folder, control)):
        raise refused(
            _("run {name} is not being trained").format(name=folder.name),
            hint=_("farense-tui resume {name} continues it.").format(name=folder.name),
            kind="not_running",
        )


def ask_own(worker: Worker, control: Control | None) -> None:
    """`send`, or `kill` for None, to a worker of this process: ours, whatever its folder says now.

    One that takes no signals yet is not asked, but may be killed.
    """
    folder = worker.folder
    try:
        if kill(folder) if control is None else send(folder, control):
            return
        starts = folder.is_alive() and control is not None
    except FarenseError:
        starts = False
    if worker.poll() is None and not starts:
        with contextlib.suppress(ProcessLookupError):
            if control is None:
                _kill_group(worker.process.pid, signal.SIGKILL)
            else:
                os.kill(worker.process.pid, control.value)


def _signal(
    folder: RunFolder, how: Callable[[int, int], None], number: int, patience: float
) -> bool:
    pid = _pid(folder, patience)
    if pid is None:
        return False
    try:
        how(pid, number)
    except ProcessLookupError:
        return False
    except PermissionError as error:
        if _is_dead(pid):  # macOS: of a group in which only dead processes are left
            return False
        raise refused(
            _("run {name} is trained by another user").format(name=folder.name),
            _("process {pid}").format(pid=pid),
            _("Who started it can stop it."),
            kind="not_ours",
        ) from error
    return True


def _wake_and_kill(pid: int, number: int) -> None:
    """A worker that was halted by SIGSTOP would heed nothing."""
    os.kill(pid, number)
    os.kill(pid, signal.SIGCONT)


def _kill_group(pid: int, number: int) -> None:
    """A worker leads a group of its own; where it does not, it goes alone."""
    if os.getpgid(pid) == pid:
        os.killpg(pid, number)
    else:
        os.kill(pid, number)


def wait_until_gone(folder: RunFolder, seconds: float) -> bool:
    """Wait until no worker holds the run's lock; whether it came to that."""
    deadline = time.monotonic() + seconds
    while folder.is_alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def wait_for_report(folder: RunFolder) -> bool:
    """Wait until the report of a run that has ended is written; whether it came to that."""
    deadline = time.monotonic() + REPORT_PATIENCE
    while not whole_folder.is_free(folder.path):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _is_dead(pid: int) -> bool:
    """Whether the process is gone, or has ended and waits for its parent to hear of it."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _pid(folder: RunFolder, patience: float) -> int | None:
    """Process id of the worker that holds the lock, and of no other process."""
    deadline = time.monotonic() + patience
    while folder.is_alive():
        holder = lock_holder.read(folder.lock_file)
        if holder and lock_holder.is_here(holder, folder.lock_file):
            return holder.pid
        if time.monotonic() > deadline:
            if holder is None:
                return None
            raise refused(
                _("run {name} is trained where it cannot be reached from here").format(
                    name=folder.name
                ),
                _("Its lock names process {pid} of {host}, which is no worker here.").format(
                    pid=holder.pid, host=holder.host or _("unknown")
                ),
                _("Stop it on the machine, or in the container, that trains it."),
                kind="not_ours",
            )
        time.sleep(0.02)
    return None
