"""Times that a record does not account for: the machine slept, a clock was set, the worker hung."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import sub

from farense_worker.protocol.messages import events
from msgspec import Struct

_GAP = 30.0  # seconds; a heartbeat comes every two
_CLOCKS = ("time", "monotonic")


class Gap(Struct, frozen=True):
    """A time that the record does not account for, told at the event after it, seconds.

    asleep: the wall clock went on by more than the worker's own; negative: it was set back.
    silent: the worker lived and said nothing.
    """

    time: events.Moment
    step: events.Whole
    asleep: float = 0.0
    silent: float = 0.0


def possible(
    last: float,
    before: events.Heartbeat | None,
    times: Sequence[float],
    beats: Sequence[events.Heartbeat],
) -> bool:
    """Whether `find` may find something: it looks at every event, this at the figures alone.

    last: time of the event before, 0 for none. before: the newest heartbeat before. times: of all
    new events. beats: those of them that are heartbeats.
    """
    if _widest(times) > _GAP:
        return True
    if last and abs(times[0] - last) > _GAP:
        return True
    known = [before, *beats] if before else beats
    return sum(_widest([getattr(beat, clock) for beat in known]) for clock in _CLOCKS) > _GAP


def find(
    last: float, before: events.Heartbeat | None, step: int, new: Sequence[events.Event]
) -> Iterator[Gap]:
    """Find what lies between a heartbeat and the one before it, or between two events.

    last: time of the event before the new ones, 0 for none. before: the newest heartbeat before.
    """
    for event in new:
        if gap := _gap(last, before, step, event):
            yield gap
        last = event.time
        if isinstance(event, events.Heartbeat):
            before = event
        elif isinstance(event, events.Step):
            step = event.step


def _widest(times: Sequence[float]) -> float:
    return max(map(abs, map(sub, times[1:], times)), default=0.0)


def _gap(
    last: float, before: events.Heartbeat | None, step: int, event: events.Event
) -> Gap | None:
    if not last or (isinstance(event, events.Phase) and event.name == "starting"):
        return None
    if isinstance(event, events.Heartbeat) and before and event.monotonic and before.monotonic:
        awake = event.monotonic - before.monotonic
        asleep = event.time - before.time - awake
        if abs(asleep) > _GAP:
            return Gap(event.time, step, asleep=asleep)
        return Gap(event.time, step, silent=awake) if awake > _GAP else None
    if before and not before.monotonic and abs(event.time - last) > _GAP:
        return Gap(event.time, step, asleep=event.time - last)  # a record without that clock
    return None
