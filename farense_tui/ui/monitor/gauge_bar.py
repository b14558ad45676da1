"""The machine's memory as numbers, and the numbers as a bar: pure, so that both can be tested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from farense_worker.protocol.language import mark
from farense_worker.protocol.messages.events import Heartbeat, RunStarted

from farense_tui.engine.record.series import Series
from farense_tui.engine.runs.watch import Snapshot


class Part(NamedTuple):
    """One part of the memory; `key` names its look. `bytes` is None where it is not known."""

    key: str
    label: str
    bytes: int | None


class Memory(NamedTuple):
    """All that the gauge shows. The parts that are known add up to at most `total`.

    `limit` is what the machine lets MLX use well, or less if the profile says so; at `stop` the
    run saves and ends. `history` is the worker's process over time, bytes.
    """

    total: int
    parts: tuple[Part, ...]
    peak: int | None
    limit: int | None
    stop: int | None = None
    history: Series = Series()


def measure(snapshot: Snapshot) -> Memory:
    """Divide the machine's memory among the worker, other programs and what is free.

    The machine's figures and the worker's heartbeat are taken at different moments, so what is
    left over never goes below zero.
    """
    machine, state = snapshot.memory, snapshot.state
    used = max(0, machine.total - machine.available)
    limit = state.started.memory_limit or None if state.started else None
    beat = state.heartbeat if snapshot.alive else None
    if beat is None:
        unknown = _UNKNOWN if snapshot.alive else ()
        others = Part("others", mark("in use") if snapshot.alive else mark("other programs"), used)
        parts = (*unknown, others)
    else:
        worker = (*_active(beat, state.started), *_beside(beat))
        known = sum(part.bytes or 0 for part in worker)
        parts = (*worker, Part("others", mark("other programs"), max(0, used - known)))
    free = max(0, machine.total - sum(part.bytes or 0 for part in parts))
    critical = snapshot.config.memory.critical if snapshot.config else None
    return Memory(
        machine.total,
        (*parts, Part("free", mark("free"), free)),
        state.peak_memory or None,
        limit,
        int(limit * critical) if limit and critical else None,
        state.memory,
    )


_UNKNOWN = (
    Part("active", mark("MLX active"), None),
    Part("cache", mark("MLX cache"), None),
    Part("rest", mark("rest of worker"), None),
)


def _active(beat: Heartbeat, started: RunStarted | None) -> tuple[Part, ...]:
    """What MLX holds: weights, what is trained, and activations; undivided where it is unknown."""
    if started is None or not started.base_bytes or not started.adapter_bytes:
        return (Part("active", mark("MLX active"), beat.active_memory),)
    activations = beat.active_memory - started.base_bytes - started.adapter_bytes
    if activations < 0:  # not all is loaded yet
        return (Part("active", mark("MLX active"), beat.active_memory),)
    return (
        Part("base", mark("base weights"), started.base_bytes),
        Part("adapter", mark("adapter, optimizer"), started.adapter_bytes),
        Part("active", mark("activations"), activations),
    )


def _beside(beat: Heartbeat) -> tuple[Part, ...]:
    rest = max(0, beat.rss - beat.active_memory - beat.cache_memory)
    return (
        Part("cache", mark("MLX cache"), beat.cache_memory),
        Part("rest", mark("rest of worker"), rest),
    )


def cells(sizes: Sequence[int | None], total: int, width: int) -> list[int]:
    """Divide `width` cells among the sizes, so that they fill it exactly.

    What does not fit in `total` is cut off at the end. Largest remainders get the cells that
    rounding leaves over; something that is there gets a cell if there are cells enough.
    """
    if width <= 0 or not sizes:
        return [0] * len(sizes)
    room = max(0, total)
    shares = []
    for size in sizes:
        share = min(max(0, size or 0), room)
        room -= share
        shares.append(share)
    whole = sum(shares)
    if not whole:
        return [0] * (len(sizes) - 1) + [width]
    exact = [share * width / whole for share in shares]
    given = [int(part) for part in exact]
    by_rest = sorted(range(len(exact)), key=lambda at: given[at] - exact[at])
    for at in by_rest[: width - sum(given)]:
        given[at] += 1
    _show_the_small(shares, given)
    return given


def position(size: int, total: int, width: int) -> int:
    """Cell in which a mark at `size` stands."""
    return min(width - 1, max(0, int(size * width / total))) if total > 0 else 0


def free_cell(at: int, counts: Sequence[int]) -> int:
    """Move a mark right until it does not cover the only cell of a part."""
    edge = 0
    for count in counts:
        edge += count
        if at < edge:
            if count > 1:
                return at
            at += 1
    return max(0, edge - 1)


def _show_the_small(shares: list[int], given: list[int]) -> None:
    for at, share in enumerate(shares):
        largest = max(range(len(given)), key=given.__getitem__)
        if share and not given[at] and given[largest] > 1:
            given[at] += 1
            given[largest] -= 1
