"""A series of points over steps: grows at the end, is drawn without losing an extreme."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from math import inf
from typing import NamedTuple

from farense_tui.engine.points import Points


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
    knows how much of it is its own. Only a series that was cut back copies.
    """

    __slots__ = ("_all", "_length")

    def __init__(self, points: Points | None = None, length: int = 0) -> None:
        """Make a view of the first `length` points; without arguments an empty series."""
        self._all = points or Points()
        self._length = length

    def __len__(self) -> int:
        """Count the points."""
        return self._length

    def __iter__(self) -> Iterator[tuple[float, float]]:
        """Go through (step, value)."""
        for index in range(self._length):
            yield self._all.steps[index], self._all.values[index]

    def __eq__(self, other: object) -> bool:
        """Compare the points."""
        return isinstance(other, Series) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Tell the length and the last point."""
        return f"Series({self._length} points, last {self.last})"

    @property
    def last(self) -> float | None:
        """Newest value."""
        return self._all.values[self._length - 1] if self._length else None

    @property
    def last_step(self) -> float | None:
        """Step of the newest value."""
        return self._all.steps[self._length - 1] if self._length else None

    def appended(self, step: float, value: float) -> Series:
        """Give the series with one more point; a point of the same step takes its place."""
        steps, keep = self._all.steps, self._length
        while keep and steps[keep - 1] >= step:
            keep -= 1
        points = self._all
        if not keep or keep != len(steps):  # an empty series may be the default of many runs
            points = Points(steps[:keep], points.values[:keep])
        points.steps.append(step)
        points.values.append(value)
        return Series(points, keep + 1)

    def until(self, step: float) -> Series:
        """Give the series without the points after `step`."""
        return Series(self._all, bisect_right(self._all.steps, step, 0, self._length))

    def tail(self, count: int) -> list[float]:
        """Give the newest `count` values."""
        return list(self._all.values[max(0, self._length - count) : self._length])

    def range(self) -> tuple[float, float] | None:
        """Give the first and last step."""
        return (self._all.steps[0], self._all.steps[self._length - 1]) if self._length else None

    def columns(self, count: int, start: float = -inf, end: float = inf) -> list[Column]:
        """Cut the steps from `start` to `end` into `count` columns; empty ones are left out.

        Each keeps its lowest and highest finite value, so no spike is lost however long the run.
        """
        first, stop = self._between(start, end)
        if first >= stop or count < 1:
            return []
        steps = self._all.steps
        start = max(start, steps[first])
        width = (min(end, steps[stop - 1]) - start) / count or 1.0
        columns = []
        at = first
        for number in range(1, count + 1):
            edge = start + number * width
            upto = stop if number == count else bisect_left(steps, edge, at, stop)
            here = self._all.summary(at, upto)
            if here.finite:
                last = self._all.last_finite(at, upto)
                mean = here.total / here.finite
                columns.append(
                    Column(steps[upto - 1], here.low, here.high, last, mean, here.finite)
                )
            at = upto
        return columns

    def not_finite(self, start: float = -inf, end: float = inf) -> list[float]:
        """Give the steps from `start` to `end` whose value is not finite."""
        return [self._all.steps[at] for at in self._all.not_finite(*self._between(start, end))]

    def _between(self, start: float, end: float) -> tuple[int, int]:
        """Places of the points from `start` to `end`."""
        steps = self._all.steps
        return bisect_left(steps, start, 0, self._length), bisect_right(steps, end, 0, self._length)
