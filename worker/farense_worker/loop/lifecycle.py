"""One rank's work from the first event to its end, whatever that is."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from farense_worker.loop.custody import Custody
from farense_worker.loop.memory import HeartbeatThread
from farense_worker.process.output import Output
from farense_worker.process.signals import Control, StopRequested, heed_none
from farense_worker.protocol.errors import ExitCode, FarenseError, is_fault
from farense_worker.protocol.messages.events import RunFailed, RunStopped
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Config

if TYPE_CHECKING:
    from farense_worker.loop.distributed import Ranks


def work(
    folder: RunFolder,
    config: Config,
    output: Output,
    control: Control,
    custody: Custody,
    tell: Callable[[FarenseError], None],
    join: Callable[[], Ranks] | None = None,
) -> int:
    """Train, and tell how it ended: a failure by `tell`; the exit code.

    join: joins the other ranks, where there are some, once all is imported.
    """
    output.enter("starting")

    def look() -> None:
        if custody.lost():  # before the first step nothing is to be saved: it ends at once
            control.break_off()

    heartbeat = HeartbeatThread(output, look)
    heartbeat.start()
    try:
        # Imported only now: importing mlx_lm takes seconds, and the start is to be seen at once.
        from farense_worker.loop.distributed import Ranks
        from farense_worker.loop.train import train

        reason = train(folder, config, output, control, custody, join() if join else Ranks())
    except BaseException as error:  # the last resort: every end is told
        heartbeat.finish()
        if not is_fault(error):
            raise
        if lost := custody.lost():
            return _failed(custody.told_by(output, _first(error, lost)), tell)
        if not isinstance(error, StopRequested):
            return _failed(error, tell)
        heed_none()
        output.emit(RunStopped(reason="stopped", step=output.step))
        return ExitCode.STOPPED
    finally:
        heartbeat.finish()
    return ExitCode.STOPPED if reason == "stopped" else ExitCode.DONE


def _first(error: BaseException, lost: FarenseError) -> FarenseError:
    """Give what ended a run that has lost its folder: all but what was found before follows."""
    if isinstance(error, FarenseError) and error.exit_code != ExitCode.REFUSED:
        return error
    if not isinstance(error, StopRequested):
        traceback.print_exception(error)
    return lost


def _failed(error: BaseException, tell: Callable[[FarenseError], None]) -> int:
    from farense_worker.process.native_errors import explain

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
