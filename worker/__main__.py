"""`python -m worker RUN`: train the run in the folder RUN.

Claims stdout, holds the run's lock, listens to signals, and turns whatever ends the training
into a last event and an exit code.
"""

from __future__ import annotations

from worker.output import Output, claim_stdout

RECORD = claim_stdout()  # before anything is imported that could print

import os  # noqa: E402
import sys  # noqa: E402
import traceback  # noqa: E402
from pathlib import Path  # noqa: E402

from worker.control import Control, StopRequested, inherited_lock  # noqa: E402
from worker.memory import HeartbeatThread  # noqa: E402
from worker.protocol.errors import ExitCode, FarenseError  # noqa: E402
from worker.protocol.events import RunFailed, RunStopped  # noqa: E402
from worker.protocol.runfolder import RunFolder, write_pid  # noqa: E402


def main() -> int:
    """Run the worker; the exit code."""
    if len(sys.argv) != 2:
        print("usage: python -m worker RUN", file=sys.stderr)
        return ExitCode.USAGE
    folder = RunFolder(Path(sys.argv[1]).resolve())
    try:
        folder.read_config()
        lock = inherited_lock() or folder.acquire()
    except FarenseError as error:  # there is no run to write an event into
        print(error, file=sys.stderr)
        return error.exit_code
    control = Control()
    control.install()
    write_pid(lock, os.getpid())
    output = Output(RECORD, folder.events)
    return work(folder, output, control)


def work(folder: RunFolder, output: Output, control: Control) -> int:
    """Train, and tell how it ended."""
    output.enter("starting")
    heartbeat = HeartbeatThread(output)
    heartbeat.start()
    try:
        # Imported only now: importing mlx_lm takes seconds, and the start is to be seen at once.
        from worker import ranks
        from worker.train import train

        train(folder, output, control, ranks.join())
    except StopRequested:
        heartbeat.finish()
        output.emit(RunStopped(reason="stopped", step=output.step))
        return ExitCode.STOPPED
    except Exception as error:  # noqa: BLE001 - the last resort: every end is told
        heartbeat.finish()
        return fail(error, output)
    finally:
        heartbeat.finish()
    return ExitCode.STOPPED if control.asked.stop else ExitCode.DONE


def fail(error: Exception, output: Output) -> int:
    """Write the last event of a run that failed."""
    from worker.failures import explain

    if not isinstance(error, FarenseError):
        traceback.print_exception(error)
    told = explain(error)
    output.emit(
        RunFailed(
            kind=told.kind,
            title=told.title,
            detail=told.detail,
            hint=told.hint,
            step=output.step,
        )
    )
    return told.exit_code


if __name__ == "__main__":
    sys.exit(main())
