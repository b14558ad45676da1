"""What is done when memory runs short: warn, free, cut finer, and at last end with all saved."""

from __future__ import annotations

import mlx.core as mx

from worker import batching, memory
from worker.run import Run


def watch(run: Run) -> None:
    """Keep memory below the limit: warn, free, cut finer, and at last end the run with all saved.

    How a step is cut changes its memory, never its mathematics.
    """
    peak = mx.get_peak_memory()
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
    least = batching.padded(int(run.train.lengths.max()) - 1)
    if run.budget > least:
        run.budget = max(least, run.budget // 2)
        run.output.emit(run.guard.cut_finer(seen, run.budget))
    else:
        run.short = run.guard.stopped(seen)
