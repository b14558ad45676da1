"""An append-only buffer of points that can be summarised over any stretch at once."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from math import inf, isfinite
from typing import NamedTuple

_BLOCK = 256


class Summary(NamedTuple):
    """What is in a stretch of values. Extremes and total are over the finite ones."""

    low: float
    high: float
    total: float
    finite: int
    points: int


_NOTHING = Summary(inf, -inf, 0.0, 0, 0)


class Points:
    """Steps and values. Every full block of values is summarised once, when it is first asked for.

    So the picture of a run of a million steps costs as much as that of a run of some thousands.
    Blocks are kept by number and always come out the same, so two threads may fill them in.
    """

    __slots__ = ("_blocks", "steps", "values")

    def __init__(self, steps: array[float] | None = None, values: array[float] | None = None):
        """Hold `steps` and `values`, which are of one length."""
        self.steps: array[float] = array("d") if steps is None else steps
        self.values: array[float] = array("d") if values is None else values
        self._blocks: dict[int, Summary] = {}

    def summary(self, start: int, stop: int) -> Summary:
        """Summarise the values from `start` to before `stop`."""
        first, last = -(-start // _BLOCK), stop // _BLOCK
        if first >= last:
            return _summarise(self.values[start:stop])
        return _joined(
            [
                _summarise(self.values[start : first * _BLOCK]),
                *map(self._block, range(first, last)),
                _summarise(self.values[last * _BLOCK : stop]),
            ]
        )

    def not_finite(self, start: int, stop: int) -> Iterable[int]:
        """Give the places from `start` to before `stop` whose value is not finite."""
        here = self.summary(start, stop)
        if here.finite == here.points:
            return
        for block in range(start, stop, _BLOCK):
            end = min(stop, block + _BLOCK)
            if not isfinite(sum(self.values[block:end])):
                yield from (at for at in range(block, end) if not isfinite(self.values[at]))

    def last_finite(self, start: int, stop: int) -> float:
        """Give the newest finite value of a stretch that has one."""
        newest_first = (self.values[at] for at in range(stop - 1, start - 1, -1))
        return next(value for value in newest_first if isfinite(value))

    def _block(self, number: int) -> Summary:
        found = self._blocks.get(number)
        if found is None:
            found = _summarise(self.values[number * _BLOCK : (number + 1) * _BLOCK])
            self._blocks[number] = found
        return found


def _summarise(values: Sequence[float]) -> Summary:
    if not values:
        return _NOTHING
    points = len(values)
    total = sum(values)
    if not isfinite(total):  # rare, so the usual way makes no list
        values = [value for value in values if isfinite(value)]
        if not values:
            return _NOTHING._replace(points=points)
        total = sum(values)
    return Summary(min(values), max(values), total, len(values), points)


def _joined(parts: list[Summary]) -> Summary:
    return Summary(
        min(part.low for part in parts),
        max(part.high for part in parts),
        sum(part.total for part in parts),
        sum(part.finite for part in parts),
        sum(part.points for part in parts),
    )
