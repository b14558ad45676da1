"""One rank's work from the first event to its end, whatever that is."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from worker.control import Control, StopRequested
from worker.memory import HeartbeatThread
from worker.output import Output
from worker.protocol.errors import ExitCode, FarenseError
from worker.protocol.events import RunFailed, RunStopped
from worker.protocol.profile import Config
from worker.protocol.runfolder import RunFolder

if TYPE_CHECKING:
    from worker.ranks import Ranks


def work(
    folder: RunFolder,
    config: Config,
    output: Output,
    control: Control,
    tell: Callable[[FarenseError], None],
    join: Callable[[], Ranks] | None = None,
) -> int:
    """Train, and tell how it ended: a failure by `tell`; the exit code.

    join: joins the other ranks, where there are some, once all is imported.
    """
    output.enter("starting")
    heartbeat = HeartbeatThread(output)
    heartbeat.start()
    try:
        # Imported only now: importing mlx_lm takes seconds, and the start is to be seen at once.
        from worker.ranks import Ranks
        from worker.train import train

        reason = train(folder, config, output, control, join() if join else Ranks())
    except StopRequested:
        heartbeat.finish()
        output.emit(RunStopped(reason="stopped", step=output.step))
        return ExitCode.STOPPED
    except Exception as error:  # noqa: BLE001 - the last resort: every end is told
        heartbeat.finish()
        return _failed(error, tell)
    finally:
        heartbeat.finish()
    return ExitCode.STOPPED if reason == "stopped" else ExitCode.DONE


def _failed(error: Exception, tell: Callable[[FarenseError], None]) -> int:
    from worker.failures import explain

    if not isinstance(error, FarenseError):
        traceback.print_exception(error)
    told = explain(error)
    tell(told)
    return told.exit_code


def failed(error: FarenseError, step: int) -> RunFailed:
    """Make the last event of a run that failed after this step."""
    return RunFailed(
        kind=error.kind, title=error.title, detail=error.detail, hint=error.hint, step=step
    )
