"""`python -m worker RUN`: train the run in the folder RUN.

Claims stdout, holds the run's lock, listens to signals, and turns whatever ends the training
into a last event and an exit code. A run of several ranks it only leads (worker/launch/).
"""

from __future__ import annotations

from worker.output import Output, claim_stdout

RECORD = claim_stdout()  # before anything is imported that could print

import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from worker.control import Control, inherited_lock  # noqa: E402
from worker.protocol.errors import ExitCode, FarenseError  # noqa: E402
from worker.protocol.runfolder import RunFolder, write_pid  # noqa: E402
from worker.work import failed, work  # noqa: E402


def main() -> int:
    """Run the worker; the exit code."""
    if len(sys.argv) != 2:
        print("usage: python -m worker RUN", file=sys.stderr)
        return ExitCode.USAGE
    folder = RunFolder(Path(sys.argv[1]).resolve())
    try:
        config = folder.read_config()
        lock = inherited_lock() or folder.acquire()
    except FarenseError as error:  # there is no run to write an event into
        print(error, file=sys.stderr)
        return error.exit_code
    if config.run.ranks > 1:
        from worker.launch import lead

        return lead.lead(folder, config, lock)
    control = Control()
    control.install()
    write_pid(lock, os.getpid())
    output = Output(RECORD, folder.events)
    return work(
        folder, config, output, control, lambda error: output.emit(failed(error, output.step))
    )


if __name__ == "__main__":
    sys.exit(main())
