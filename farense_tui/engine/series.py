"""A series of points over steps: grows at the end, is drawn without losing an extreme."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from math import inf, isfinite
from typing import NamedTuple


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

    `appended` gives a new series in constant time: all series of a run share one pair of arrays,
    and each knows how much of it is its own. Only a series that was cut back copies.
    """

    __slots__ = ("_length", "_steps", "_values")

    def __init__(
        self, steps: array[float] | None = None, values: array[float] | None = None, length: int = 0
    ) -> None:
        """Make a view of the first `length` points; without arguments an empty series."""
        self._steps: array[float] = array("d") if steps is None else steps
        self._values: array[float] = array("d") if values is None else values
        self._length = length

    def __len__(self) -> int:
        """Count the points."""
        return self._length

    def __iter__(self) -> Iterator[tuple[float, float]]:
        """Go through (step, value)."""
        for index in range(self._length):
            yield self._steps[index], self._values[index]

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
        return self._values[self._length - 1] if self._length else None

    @property
    def last_step(self) -> float | None:
        """Step of the newest value."""
        return self._steps[self._length - 1] if self._length else None

    def appended(self, step: float, value: float) -> Series:
        """Give the series with one more point; a point of the same step takes its place."""
        keep = self._length
        while keep and self._steps[keep - 1] >= step:
            keep -= 1
        if keep == len(self._steps):
            steps, values = self._steps, self._values
        else:
            steps, values = self._steps[:keep], self._values[:keep]
        steps.append(step)
        values.append(value)
        return Series(steps, values, keep + 1)

    def until(self, step: float) -> Series:
        """Give the series without the points after `step`."""
        return Series(self._steps, self._values, bisect_right(self._steps, step, 0, self._length))

    def tail(self, count: int) -> list[float]:
        """Give the newest `count` values."""
        return list(self._values[max(0, self._length - count) : self._length])

    def range(self) -> tuple[float, float] | None:
        """Give the first and last step."""
        return (self._steps[0], self._steps[self._length - 1]) if self._length else None

    def columns(self, count: int, start: float = -inf, end: float = inf) -> list[Column]:
        """Cut the steps from `start` to `end` into `count` columns; empty ones are left out.

        Each keeps its lowest and highest finite value, so no spike is lost however long the run.
        """
        first = bisect_left(self._steps, start, 0, self._length)
        stop = bisect_right(self._steps, end, 0, self._length)
        if first >= stop or count < 1:
            return []
        start = max(start, self._steps[first])
        width = (min(end, self._steps[stop - 1]) - start) / count or 1.0
        columns = []
        at = first
        for number in range(count):
            edge = start + (number + 1) * width
            upto = stop if number == count - 1 else bisect_left(self._steps, edge, at, stop)
            if column := _column(self._steps[upto - 1], self._values[at:upto]):
                columns.append(column)
            at = upto
        return columns

    def not_finite(self, start: float = -inf, end: float = inf) -> list[float]:
        """Give the steps from `start` to `end` whose value is not finite."""
        first = bisect_left(self._steps, start, 0, self._length)
        stop = bisect_right(self._steps, end, 0, self._length)
        if isfinite(sum(self._values[first:stop])):
            return []
        return [self._steps[at] for at in range(first, stop) if not isfinite(self._values[at])]


def _column(step: float, values: Sequence[float]) -> Column | None:
    if not values:
        return None
    total = sum(values)
    if not isfinite(total):  # rare, so the usual way makes no list
        values = [value for value in values if isfinite(value)]
        if not values:
            return None
        total = sum(values)
    points = len(values)
    return Column(step, min(values), max(values), values[-1], total / points, points)
