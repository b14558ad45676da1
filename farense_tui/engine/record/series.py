"""A series of points over steps: grows at the end, is drawn without losing an extreme."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from math import inf, nan
from typing import NamedTuple

from farense_tui.engine.record.buckets import LARGEST, joined
from farense_tui.engine.record.point_buffer import MOST, Points


class Column(NamedTuple):
    """What one column of a chart has to show: the extremes, the last value and the mean in it."""

    step: float
    low: float
    high: float
    last: float
    mean: float
    points: int


class Series:
    """An immutable view of an append-only buffer.

    `appended` gives a new series in constant time: all series of a run share one buffer, and each
    knows how much of it is its own. Only a series that was cut back copies. The newest points are
    exact; those of a long run's past are in buckets (engine/record/buckets.py).
    """

    __slots__ = ("_all", "_length")

    def __init__(self, points: Points | None = None, length: int = 0) -> None:
        """Make a view of the first `length` points; without arguments an empty series."""
        self._all = points or Points()
        self._length = length

    def __len__(self) -> int:
        """Count the points, those in buckets too."""
        return self._all.behind + self._length

    def __iter__(self) -> Iterator[tuple[float, float]]:
        """Go through (step, value); of a bucket its last step and its mean."""
        for at in range(len(self._all.head)):
            yield self._all.head.middle(at)
        for index in range(self._length):
            yield self._all.steps[index], self._all.values[index]

    def __eq__(self, other: object) -> bool:
        """Compare the points; at once where two views are of one buffer or of different length."""
        if not isinstance(other, Series) or len(self) != len(other):
            return False
        return self._all is other._all or list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Tell the length and the last point."""
        return f"Series({len(self)} points, last {self.last})"  # not translated: a repr

    @property
    def last(self) -> float | None:
        if self._length:
            return self._all.values[self._length - 1]
        return self._all.head.last[-1] if self._all.head else None

    @property
    def last_step(self) -> float | None:
        if self._length:
            return self._all.steps[self._length - 1]
        return self._all.head.end[-1] if self._all.head else None

    def appended(self, step: float, value: float) -> Series:
        """Give the series with one more point; a point of the same step takes its place."""
        base = self
        if self.last_step is not None and self.last_step >= step:
            base = self._before(step)
        points = base._own()
        points.steps.append(step)
        points.values.append(_drawable(value))
        return _of(points)

    def extended(self, steps: array[float], values: Sequence[float]) -> Series:
        """Give the series with more points, at rising steps that come after its last one."""
        points, at = self._own(), 0
        while at < len(steps):
            upto = at + MOST - len(points.steps)
            points.steps.extend(steps[at:upto])
            points.values.extend(map(_drawable, values[at:upto]))
            points, at = _of(points)._all, upto
        return _of(points)

    def until(self, step: float) -> Series:
        """Give the series without the points after `step`, and without a bucket that it cuts."""
        return self._cut(*self._all.upto(step, self._length))

    def keeps(self, step: float) -> bool:
        """Whether `until(step)` is exact: it cuts no bucket."""
        head = self._all.head
        after = head.upto(step)
        return after == len(head) or step < head.start[after]

    def continues(self, other: Series) -> bool:
        """Whether it is `other`, grown, in the same buffer."""
        return self._all is other._all and self._length >= other._length

    def points(self) -> Points:
        """Give the buffer with only what is this series's own."""
        return self._all.first(self._length)

    def tail(self, count: int) -> list[float]:
        """Give the newest `count` values, of those that are not in buckets."""
        return list(self._all.values[max(0, self._length - count) : self._length])

    def near(self, step: float) -> tuple[float, float] | None:
        """Give (step, value) of the point nearest to `step`, of a bucket its end and its mean."""
        buckets, at = self._all.before(step, self._length)
        around = [self._bucket(number) for number in (buckets - 1, buckets)]
        around += [self._point(number) for number in (at - 1, at)]
        there = [point for point in around if point is not None]
        return min(there, key=lambda point: abs(point[0] - step), default=None)

    def columns(self, count: int, start: float = -inf, end: float = inf) -> list[Column]:
        """Cut the steps from `start` to `end` into `count` columns; empty ones are left out.

        Each keeps its lowest and highest finite value, so no spike is lost however long the run.
        """
        cut = _Cut(self._all, *self._all.before(start, self._length))
        stop = self._all.upto(end, self._length)
        if count < 1 or cut.at == stop:
            return []
        start = max(start, cut.start)
        width = (min(end, self._end(*stop)) - start) / count or 1.0
        columns = []
        for number in range(1, count + 1):
            edge = stop if number == count else cut.before(start + number * width, *stop)
            if column := cut.column(*edge):
                columns.append(column)
        return columns

    def not_finite(self, start: float = -inf, end: float = inf) -> list[float]:
        """Give the steps from `start` to `end` whose value is not finite; of a bucket its last."""
        (bucket, at), (last, stop) = (
            self._all.before(start, self._length),
            self._all.upto(end, self._length),
        )
        found = self._all.head.not_finite(bucket, last)
        return found + [self._all.steps[at] for at in self._all.not_finite(at, stop)]

    def _point(self, number: int) -> tuple[float, float] | None:
        inside = 0 <= number < self._length
        return (self._all.steps[number], self._all.values[number]) if inside else None

    def _bucket(self, number: int) -> tuple[float, float] | None:
        inside = 0 <= number < len(self._all.head)
        return self._all.head.middle(number) if inside else None

    def _end(self, buckets: int, stop: int) -> float:
        return self._all.steps[stop - 1] if stop else self._all.head.end[buckets - 1]

    def _before(self, step: float) -> Series:
        return self._cut(*self._all.before(step, self._length))

    def _cut(self, buckets: int, length: int) -> Series:
        head = self._all.head
        if buckets == len(head):
            return Series(self._all, length)
        return Series(Points(head=head.first(buckets)))

    def _own(self) -> Points:
        """A buffer that this series may append to."""
        points = self._all
        # an empty series may be the default of many runs
        unshared = self._length == len(points.steps) and (self._length or points.head)
        return points if unshared else points.first(self._length)


class _Cut:
    """Goes through the buckets and points of a buffer, a column at a time."""

    def __init__(self, points: Points, bucket: int, at: int) -> None:
        self._all = points
        self._bucket = bucket
        self._at = at

    @property
    def at(self) -> tuple[int, int]:
        """The first bucket and the first point that are in no column yet."""
        return self._bucket, self._at

    @property
    def start(self) -> float:
        """The step at which it stands."""
        head, steps = self._all.head, self._all.steps
        return head.end[self._bucket] if self._bucket < len(head) else steps[self._at]

    def before(self, edge: float, buckets: int, stop: int) -> tuple[int, int]:
        """Buckets and points before the step `edge`."""
        bucket = self._all.head.before(edge, self._bucket, buckets)
        return bucket, bisect_left(self._all.steps, edge, self._at, stop)

    def column(self, bucket: int, stop: int) -> Column | None:
        """The column up to there; None if nothing in it is finite."""
        points, at, first = self._all, self._at, self._bucket
        tail = points.summary(at, stop)
        here = joined(points.head.summary(first, bucket), tail) if first < bucket else tail
        self._bucket, self._at = bucket, stop
        if not here.finite:
            return None
        if tail.finite:
            last = points.last_finite(at, stop)
        else:
            last = points.head.last_finite(first, bucket)
        step = points.steps[stop - 1] if stop > at else points.head.end[bucket - 1]
        return Column(step, here.low, here.high, last, here.total / here.finite, here.finite)


def _drawable(value: float) -> float:
    """Count what only a damaged record has as not finite: a distance between two would not be."""
    return value if -LARGEST <= value <= LARGEST else nan


def _of(points: Points) -> Series:
    """A series of all of a buffer, which is made smaller if it has grown large."""
    if len(points.steps) >= MOST:
        points = points.compacted()
    return Series(points, len(points.steps))
