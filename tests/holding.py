"""Workers that stand still at a certain event, so that no test has to be faster than they are.

A run of the micro model takes a step in a few milliseconds: whoever waits for a step and then kills
the worker may find that the run is complete. A held worker is stopped as by SIGSTOP, in the middle
of telling the event: nothing that comes after it in the worker has happened.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from farense_tui.engine import supervisor
from farense_tui.engine.supervisor import Control, Worker
from tests.real_runs import state_of
from worker.protocol.runfolder import RunFolder


def launch(folder: RunFolder, after: int | str, seconds: float = 120.0) -> Worker:
    """Start the worker and wait until it stands still.

    after: the step after whose event it does, or a pattern that the event's line has.
    """
    pattern = rf'"type":"step",.*"step":{after},' if isinstance(after, int) else after
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).with_name("holder")), prepend=os.pathsep)
        patch.setenv("HOLD_AFTER", pattern)
        worker = supervisor.launch(folder)
    deadline = time.monotonic() + seconds
    while not _held(worker):
        assert worker.poll() is None, supervisor.last_words(folder.log)
        assert time.monotonic() < deadline, state_of(folder)
        time.sleep(0.01)
    return worker


def go_on(worker: Worker) -> None:
    """Let a held worker go on."""
    for process in _held(worker):
        process.send_signal(signal.SIGCONT)


def kill_at(folder: RunFolder, after: int | str) -> None:
    """Start the worker and kill it at this step or event."""
    worker = launch(folder, after)
    os.killpg(worker.process.pid, signal.SIGKILL)
    worker.wait()


def stop_at(folder: RunFolder, after: int | str) -> int:
    """Start the worker and ask it to stop at this step or event; its exit code."""
    worker = launch(folder, after)
    assert supervisor.send(folder, Control.STOP)
    go_on(worker)
    return worker.wait()


def _held(worker: Worker) -> list[psutil.Process]:
    """The processes of a worker that stand still: it or one of its ranks."""
    with contextlib.suppress(psutil.NoSuchProcess):
        lead = psutil.Process(worker.process.pid)
        each = [lead, *lead.children(recursive=True)]
        return [process for process in each if process.status() == psutil.STATUS_STOPPED]
    return []
