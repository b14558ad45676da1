"""A buffer of points that can be summarised over any stretch at once and never grows large.

The newest points are kept as they are, at least 8,192 of them. What is older goes into buckets
(buckets.py), a little at a time, so that the buffer is soon as large as it will ever be. A run of a
million steps takes as much memory as one of a hundred thousand, its picture costs as much, and no
extreme is lost in either.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import reduce
from math import inf, isfinite, nan

from farense_tui.engine.record.buckets import Bucket, Buckets, Summary, joined

_BLOCK = 256
KEPT = 8_192  # exact points that there are at the least
MOST = KEPT + 4_096  # and at the most; then the oldest become buckets


_NOTHING = Summary(inf, -inf, 0.0, 0, 0)


class Points:
    """Steps and values, and before them the buckets of `head`, which never change.

    Every full block of values is summarised once, when it is first asked for. Blocks are kept by
    number and always come out the same, so two threads may fill them in.
    """

    __slots__ = ("_blocks", "behind", "head", "steps", "values")

    def __init__(
        self,
        steps: array[float] | None = None,
        values: array[float] | None = None,
        head: Buckets | None = None,
    ):
        """Hold `steps` and `values`, of one length, after `head`."""
        self.steps: array[float] = array("d") if steps is None else steps
        self.values: array[float] = array("d") if values is None else values
        self.head = Buckets() if head is None else head
        self.behind = int(sum(self.head.points))
        self._blocks: dict[int, Summary] = {}

    def first(self, count: int) -> Points:
        """Copy with the first `count` of the points that are not in buckets."""
        return Points(self.steps[:count], self.values[:count], self.head)

    def compacted(self) -> Points:
        """Copy with the oldest points in buckets, and the newest `KEPT` as they are."""
        gone, size = max(0, len(self.values) - KEPT), self.head.size
        head = self.head.added(
            [self._bucket(at, min(gone, at + size)) for at in range(0, gone, size)]
        )
        return Points(self.steps[gone:], self.values[gone:], head)

    def summary(self, start: int, stop: int) -> Summary:
        """Summarise the values from `start` to before `stop`."""
        first, last = -(-start // _BLOCK), stop // _BLOCK
        if first >= last:
            return _summarise(self.values[start:stop])
        parts = [
            _summarise(self.values[start : first * _BLOCK]),
            *map(self._block, range(first, last)),
            _summarise(self.values[last * _BLOCK : stop]),
        ]
        return reduce(joined, parts)

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

    def before(self, step: float, stop: int) -> tuple[int, int]:
        """Count the buckets and, of the first `stop` points, those that end before `step`."""
        return self.head.before(step), bisect_left(self.steps, step, 0, stop)

    def upto(self, step: float, stop: int) -> tuple[int, int]:
        """As `before`, those at `step` counted too."""
        return self.head.upto(step), bisect_right(self.steps, step, 0, stop)

    def _bucket(self, start: int, stop: int) -> Bucket:
        here = self.summary(start, stop)
        last = self.last_finite(start, stop) if here.finite else nan
        return Bucket(self.steps[start], self.steps[stop - 1], last, *here)

    def _block(self, number: int) -> Summary:
        found = self._blocks.get(number)
        if found is None:
            found = _summarise(self.values[number * _BLOCK : (number + 1) * _BLOCK])
            self._blocks[number] = found
        return found


def _summarise(values: Sequence[float]) -> Summary:
    if not values:
        return _NOTHING
    points, values = len(values), list(values)  # an array makes its numbers anew each time
    total = sum(values)
    if not isfinite(total):  # rare, so the usual way makes no list
        values = [value for value in values if isfinite(value)]
        if not values:
            return _NOTHING._replace(points=points)
        total = sum(values)
    return Summary(min(values), max(values), total, len(values), points)
