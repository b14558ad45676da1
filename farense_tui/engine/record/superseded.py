"""What of a record no longer counts: the one rule, for the screen, the figures and the trackers.

A resume goes on after a step, and a rollback tells a step again. Either takes back all that was
told of the steps after: steps, validations, samples, checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterable

from farense_worker.protocol.messages.events import Event, RunStarted, Step


def kept_until(event: Event, newest: float) -> int | None:
    """Step up to which what was told before still counts; None where the event takes nothing back.

    newest: the newest step that was told and not taken back, 0 for none.
    """
    match event:
        case RunStarted():
            return event.resumed_from_step
        case Step() if event.step <= newest:
            return event.step - 1
    return None


def owners(workers: Iterable[RunStarted]) -> list[RunStarted]:
    """Give the workers of whose steps there are any left, in their order."""
    left: list[RunStarted] = []
    for worker in workers:
        while left and left[-1].resumed_from_step >= worker.resumed_from_step:
            left.pop()
        left.append(worker)
    return left
