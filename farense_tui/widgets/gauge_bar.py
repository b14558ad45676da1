"""The machine's memory as numbers, and the numbers as a bar: pure, so that both can be tested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from farense_tui.engine.watch import Snapshot


class Part(NamedTuple):
    """One part of the memory; `key` names its look. `bytes` is None where it is not known."""

    key: str
    label: str
    bytes: int | None


class Memory(NamedTuple):
    """All that the gauge shows. The parts that are known add up to at most `total`."""

    total: int
    parts: tuple[Part, ...]
    peak: int | None
    limit: int | None


def measure(snapshot: Snapshot) -> Memory:
    """Divide the machine's memory among the worker, other programs and what is free.

    The machine's figures and the worker's heartbeat are taken at different moments, so what is
    left over never goes below zero.
    """
    machine = snapshot.memory
    beat = snapshot.state.heartbeat if snapshot.alive else None
    used = max(0, machine.total - machine.available)
    started = snapshot.state.started
    limit = started.memory_limit if started and started.memory_limit > 0 else None
    peak = snapshot.state.peak_memory or None
    if beat is None:
        unknown = tuple(Part(key, label, None) for key, label in _WORKER) if snapshot.alive else ()
        others = Part("others", "in use" if snapshot.alive else "other programs", used)
        parts = (*unknown, others)
    else:
        rest = max(0, beat.rss - beat.active_memory - beat.cache_memory)
        worker = (beat.active_memory, beat.cache_memory, rest)
        parts = (
            *(Part(key, label, size) for (key, label), size in zip(_WORKER, worker, strict=True)),
            Part("others", "other programs", max(0, used - sum(worker))),
        )
    known = sum(part.bytes or 0 for part in parts)
    free = Part("free", "free", max(0, machine.total - known))
    return Memory(machine.total, (*parts, free), peak, limit)


_WORKER = (("active", "MLX active"), ("cache", "MLX cache"), ("rest", "rest of worker"))


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
