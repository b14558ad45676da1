"""A buffer of points that can be summarised over any stretch at once and never grows large.

The newest points are kept as they are, at least 32,768 of them. What is older is kept as buckets
of points, each with its extremes, and as they grow many, two are made one. So a run of a million
steps takes as much memory as one of a hundred thousand, its picture costs as much, and no extreme
is lost in either.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from math import inf, isfinite, nan
from typing import NamedTuple

_BLOCK = 256
MOST = 65_536  # exact points; then the older half becomes buckets
_BUCKET = _BLOCK  # points of the first buckets
_BUCKETS = 4096  # then two become one


class Summary(NamedTuple):
    """What is in a stretch of values. Extremes and total are over the finite ones."""

    low: float
    high: float
    total: float
    finite: int
    points: int


class Bucket(NamedTuple):
    """Points that are no longer kept one by one; `last` is the newest finite value or NaN."""

    start: float
    end: float
    last: float
    here: Summary


_NOTHING = Summary(inf, -inf, 0.0, 0, 0)


class Points:
    """Steps and values, and before them the buckets of `head`, which never change.

    Every full block of values is summarised once, when it is first asked for. Blocks are kept by
    number and always come out the same, so two threads may fill them in.
    """

    __slots__ = ("_blocks", "behind", "bucket", "head", "steps", "values")

    def __init__(
        self,
        steps: array[float] | None = None,
        values: array[float] | None = None,
        head: tuple[Bucket, ...] = (),
        bucket: int = _BUCKET,
    ):
        """Hold `steps` and `values`, of one length, after `head`; new buckets get `bucket`."""
        self.steps: array[float] = array("d") if steps is None else steps
        self.values: array[float] = array("d") if values is None else values
        self.head = head
        self.bucket = bucket
        self.behind = sum(each.here.points for each in head)
        self._blocks: dict[int, Summary] = {}

    def first(self, count: int) -> Points:
        """Copy with the first `count` of the points that are not in buckets."""
        return Points(self.steps[:count], self.values[:count], self.head, self.bucket)

    def compacted(self) -> Points:
        """Copy with the older half of the points in buckets."""
        half = len(self.values) // 2
        head = list(self.head)
        for at in range(0, half, self.bucket):
            stop = min(half, at + self.bucket)
            here = self.summary(at, stop)
            last = self.last_finite(at, stop) if here.finite else nan
            head.append(Bucket(self.steps[at], self.steps[stop - 1], last, here))
        bucket = self.bucket
        if len(head) > _BUCKETS:
            head, bucket = _halved(head), bucket * 2
        return Points(self.steps[half:], self.values[half:], tuple(head), bucket)

    def summary(self, start: int, stop: int) -> Summary:
        """Summarise the values from `start` to before `stop`."""
        first, last = -(-start // _BLOCK), stop // _BLOCK
        if first >= last:
            return _summarise(self.values[start:stop])
        return joined(
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

    def before(self, step: float, stop: int) -> tuple[int, int]:
        """Count the buckets and, of the first `stop` points, those that end before `step`."""
        return bisect_left(self.head, step, key=_end), bisect_left(self.steps, step, 0, stop)

    def upto(self, step: float, stop: int) -> tuple[int, int]:
        """As `before`, those at `step` counted too."""
        return bisect_right(self.head, step, key=_end), bisect_right(self.steps, step, 0, stop)

    def _block(self, number: int) -> Summary:
        found = self._blocks.get(number)
        if found is None:
            found = _summarise(self.values[number * _BLOCK : (number + 1) * _BLOCK])
            self._blocks[number] = found
        return found


def joined(parts: Sequence[Summary]) -> Summary:
    """Summarise several stretches as one."""
    low, high, total, finite, points = zip(*parts, strict=True)
    return Summary(min(low), max(high), sum(total), sum(finite), sum(points))


def _end(bucket: Bucket) -> float:
    return bucket.end


def _halved(head: list[Bucket]) -> list[Bucket]:
    pairs = [head[at : at + 2] for at in range(0, len(head), 2)]
    return [_one(pair) for pair in pairs]


def _one(pair: list[Bucket]) -> Bucket:
    last = pair[-1].last if pair[-1].here.finite else pair[0].last
    return Bucket(pair[0].start, pair[-1].end, last, joined([each.here for each in pair]))


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
