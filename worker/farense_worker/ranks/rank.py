"""One rank of a run: `python -m farense_worker.ranks.rank RUN`, started by its guard.

The first rank writes the record and the checkpoints into RUN, which need not exist for the
others. A failure is not written but told to the guard, by standard output: the process that leads
the run finds out which rank's failure was the first.
"""

from __future__ import annotations

from farense_worker.process.output import Output, claim_stdout

GUARD = claim_stdout()  # before anything is imported that could print

import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from functools import partial  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING  # noqa: E402

import msgspec  # noqa: E402

from farense_worker.loop.custody import Custody  # noqa: E402
from farense_worker.loop.lifecycle import work  # noqa: E402
from farense_worker.process.afterwards import leave  # noqa: E402
from farense_worker.process.signals import Control  # noqa: E402
from farense_worker.protocol.errors import FarenseError  # noqa: E402
from farense_worker.protocol.messages import line  # noqa: E402
from farense_worker.protocol.messages.task import Failure  # noqa: E402
from farense_worker.protocol.run_folder import RunFolder  # noqa: E402
from farense_worker.protocol.settings.profile import Config  # noqa: E402
from farense_worker.ranks.reports import HEARD, JOIN, JOINED, MOST, READY  # noqa: E402

if TYPE_CHECKING:
    from farense_worker.loop.distributed import Ranks

_PATIENCE = 30.0  # seconds for the guard to pass a failure on


def main() -> int:
    """Train as one of several; the exit code."""
    gate, heard = threading.Event(), threading.Event()
    threading.Thread(target=_hear_guard, args=(gate, heard), daemon=True).start()
    control = Control()
    control.install()
    config = msgspec.json.decode(os.environ["FARENSE_CONFIG"], type=Config)
    folder = RunFolder(Path(sys.argv[1]))
    first = os.environ["FARENSE_RANK"] == "0"
    path = folder.events if first else Path(os.devnull)
    record = os.open(path, os.O_WRONLY | os.O_APPEND)
    custody = Custody(folder, record=record, watched=first)
    output, tell = Output(record, path), partial(_tell, heard)
    return work(folder, config, output, control, custody, tell, lambda: _join(gate, control))


def _join(gate: threading.Event, control: Control) -> Ranks:
    """Join the others when all are ready for it; until then a stop can end the waiting."""
    from farense_worker.loop.distributed import join

    os.write(GUARD, READY)
    with control.interruptible():
        while not gate.is_set():
            time.sleep(0.02)
    ranks = join()
    os.write(GUARD, JOINED)
    return ranks


def _tell(heard: threading.Event, error: FarenseError) -> None:
    """Wait until it is passed on: the others lose the connection when this process ends."""
    os.write(GUARD, line.encode(Failure.of(error, MOST)))
    heard.wait(_PATIENCE)


def _hear_guard(gate: threading.Event, heard: threading.Event) -> None:
    """Take the guard's answers; end with the guard."""
    answers = {JOIN: gate, HEARD: heard}
    while answer := os.read(0, 1):
        answers[answer].set()
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    leave(main())
