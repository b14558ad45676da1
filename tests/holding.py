"""Workers that wait at a certain event, so that no test has to be faster than they are.

A run of the micro model takes a step in a few milliseconds: whoever waits for a step and then kills
the worker may find that the run is complete. A held worker has told the event and done nothing
since. It goes on when it is asked for something by SIGTERM, SIGTSTP or SIGCONT: a stop, a pause.
"""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.runs import supervisor
from farense_tui.engine.runs.supervisor import Control, Worker
from tests.real_runs import until_state


def hold(patch: pytest.MonkeyPatch, pattern: str) -> None:
    """Have the workers that are started from now on held after a line that has this pattern."""
    patch.setenv("PYTHONPATH", str(Path(__file__).with_name("holder")), prepend=os.pathsep)
    patch.setenv("HOLD_AFTER", pattern)


def fail(
    patch: pytest.MonkeyPatch,
    pattern: str,
    text: str,
    times: int,
    *,
    asked: int = 0,
    asked_anew: int = 0,
) -> None:
    """Have the workers fail with this text after a line that has this pattern, so many times.

    asked: the signal that comes just before. asked_anew: the one that comes to the worker that has
    started again, before it has imported anything.
    """
    hold(patch, pattern)
    patch.setenv("FAIL_WITH", text)
    patch.setenv("FAIL_TIMES", str(times))
    patch.setenv("FAIL_ASKED", str(asked))
    patch.setenv("FAIL_ASKED_ANEW", str(asked_anew))


def launch(folder: RunFolder, after: int | str) -> Worker:
    """Start the worker and wait until it is held.

    after: the step after whose event it is, or a pattern that the event's line has.
    """
    pattern = rf'"type":"step",.*"step":{after},' if isinstance(after, int) else after
    with pytest.MonkeyPatch.context() as patch:
        hold(patch, pattern)
        worker = supervisor.launch(folder)
    told = re.compile(pattern)
    until_state(worker, lambda _: bool(told.search(folder.events.read_text(encoding="utf-8"))))
    return worker


def kill_at(folder: RunFolder, after: int | str) -> None:
    """Start the worker and kill it at this step or event."""
    worker = launch(folder, after)
    os.killpg(worker.process.pid, signal.SIGKILL)
    worker.wait()


def stop_at(folder: RunFolder, after: int | str) -> int:
    """Start the worker and ask it to stop at this step or event; its exit code."""
    worker = launch(folder, after)
    assert supervisor.send(folder, Control.STOP)
    return worker.wait()
