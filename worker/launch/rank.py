"""One rank of a run: `python -m worker.launch.rank RUN`, started by its guard.

The first rank writes the record and the checkpoints into RUN, which need not exist for the
others. A failure is not written but told to the guard, by standard output: the process that leads
the run finds out which rank's failure was the first.
"""

from __future__ import annotations

from worker.output import Output, claim_stdout

GUARD = claim_stdout()  # before anything is imported that could print

import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
from pathlib import Path  # noqa: E402

import msgspec  # noqa: E402

from worker.control import Control  # noqa: E402
from worker.launch.reports import WORDS, Failure  # noqa: E402
from worker.protocol.errors import FarenseError  # noqa: E402
from worker.protocol.profile import Config  # noqa: E402
from worker.protocol.runfolder import RunFolder  # noqa: E402
from worker.work import work  # noqa: E402


def main() -> int:
    """Train as one of several; the exit code."""
    threading.Thread(target=_end_with_guard, daemon=True).start()
    control = Control()
    control.install()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, set(WORDS.values()))
    config = msgspec.json.decode(os.environ["FARENSE_CONFIG"], type=Config)
    folder = RunFolder(Path(sys.argv[1]))
    record = folder.events if os.environ["FARENSE_RANK"] == "0" else Path(os.devnull)
    output = Output(os.open(record, os.O_WRONLY | os.O_APPEND), record)
    return work(folder, config, output, control, _tell)


def _tell(error: FarenseError) -> None:
    os.write(GUARD, msgspec.json.encode(Failure.of(error)))


def _end_with_guard() -> None:
    os.read(0, 1)  # nothing is ever written: it returns when the guard is gone
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
