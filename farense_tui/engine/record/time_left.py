"""How long a run still takes, from its own steps."""

from __future__ import annotations

from statistics import median

from farense_worker.protocol.plan import cadence
from farense_worker.protocol.settings.profile import Report

from farense_tui.engine.record.state import RunState

_WINDOW = 100


def remaining_seconds(state: RunState, report: Report) -> float | None:
    """Median time of the newest steps times those to come, and the validations between them.

    Medians, so that one that waited (a pause, a disk, a sleep) does not count. None before the
    first step and when the number of steps is not known.
    """
    if not len(state.step_seconds) or not state.total_steps:
        return None
    left = max(0, state.total_steps - state.step)
    seconds = left * median(state.step_seconds.tail(_WINDOW))
    if state.validations:
        # The one that is due after the newest step is still to come until it is told.
        newest = state.validations[-1].step
        if newest >= state.total_steps:
            return seconds
        reached = max(newest, state.step - 1)
        eval_every = cadence.validate_every(report, state.total_steps)
        validations = -(-state.total_steps // eval_every) - reached // eval_every
        seconds += validations * median(each.seconds for each in state.validations[-_WINDOW:])
    return seconds
