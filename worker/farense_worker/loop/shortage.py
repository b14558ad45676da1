"""What is done when memory or the disk runs short, so that nothing is lost.

Memory: warn, free, cut finer, and at last end with all saved. The disk: wait until there is space.
"""

from __future__ import annotations

import time

import mlx.core as mx

from farense_worker.loop import memory
from farense_worker.loop.run import Run
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages import events
from farense_worker.protocol.run_folder import free_space

_DISK_POLL = 5.0
_STOP_POLL = 0.1


def watch(run: Run) -> None:
    """Keep memory below the limit: warn, free, cut finer, and at last end the run with all saved.

    How a step is cut changes its memory, never its mathematics.
    """
    peak = mx.get_peak_memory()
    if peak - mx.get_active_memory() > run.came_and_went:
        run.came_and_went = peak - mx.get_active_memory()
        memory.keep_buffers(mx, run.config.memory, run.came_and_went)
    seen = run.guard.see(peak)
    notice = run.guard.look(seen)
    if notice is not None:
        run.output.emit(notice)
    if run.guard.critical(seen) or run.guard.starved(seen):
        mx.clear_cache()
        seen = run.guard.see(peak)
    run.starved = run.starved + 1 if run.guard.starved(seen) else 0
    waited = run.starved and run.starved % memory.PATIENCE == 0
    if not (run.guard.critical(seen) or waited):
        return
    if run.budget > run.least:
        run.budget = max(run.least, run.budget // 2)
        run.output.emit(run.guard.cut_finer(seen, run.budget))
    else:
        run.short = run.guard.stopped(seen, checkpointing=run.config.train.grad_checkpoint)


def wait_for_disk(run: Run, error: FarenseError, *, told: bool = False) -> None:
    """Pause until the disk may have space again; a stop ends the run without this checkpoint.

    It is tried once more at a stop where space has been made meanwhile. told: of this checkpoint
    already, which is tried again as often as it takes.
    """
    if error.kind != "disk_full":  # no refusal: what is saved so far stays
        raise FarenseError(error.title, error.detail, kind=error.kind) from error
    began, free = time.perf_counter(), free_space(run.folder.path)
    if not told:
        run.output.enter("paused")
        run.output.emit(
            events.Notice(
                level="error",
                code="disk_full",
                message=_("the checkpoint cannot be written: {why}").format(why=error.detail),
                hint=_("The training waits. Make space, and it goes on by itself."),
            )
        )
    deadline = time.monotonic() + _DISK_POLL
    while time.monotonic() < deadline:
        if run.control.asked.stop:
            if free_space(run.folder.path) > free:
                break  # and try once more
            # no refusal either: it has trained, and its record stays
            raise FarenseError(error.title, error.detail, error.hint, kind=error.kind) from error
        time.sleep(_STOP_POLL)
    run.waited += time.perf_counter() - began
