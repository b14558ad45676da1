"""Which values an axis has room for: all, but for a few that would flatten the rest.

As TensorBoard's "ignore outliers in chart scaling", from the middle nine tenths of what is seen,
but only where that gains much, never at the price of where the curve goes now, and in strides, so
that an axis stands still while a run grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, inf, log10
from typing import NamedTuple

from farense_tui.engine.record.series import Column
from farense_tui.engine.record.smooth import smoothed

_FEWEST = 20  # columns; of less nothing can be called an outlier
_TAIL = 0.05  # of the values, at either end
_FENCE = 1.5  # J. W. Tukey's, of the distance between the tails
_FLAT = 0.05  # of a value; what varies less counts as varying so much
_GAIN = 3.0  # times finer, or nothing is left out
_KEPT_GAIN = 2.4  # the same where it was left out before
_NOW = 3  # the newest third is shown whole
_STRIDES = 4
_LEAST = 1e-300  # a distance that can be cut into strides


class Range(NamedTuple):
    """Values from `low` to `high`; `least` and `most` are those that there are."""

    low: float
    high: float
    least: float
    most: float

    def clamped(self, value: float) -> float:
        return min(self.high, max(self.low, value))

    @property
    def cut(self) -> bool:
        return self.least < self.low or self.most > self.high

    def __or__(self, other: Range) -> Range:
        """Give the range that has room for both."""
        return Range(
            min(self.low, other.low),
            max(self.high, other.high),
            min(self.least, other.least),
            max(self.most, other.most),
        )


NOTHING = Range(inf, -inf, inf, -inf)


def whole(columns: Sequence[Column], marks: Sequence[float] = ()) -> Range:
    """Give the range of all values."""
    low = min([column.low for column in columns] + list(marks), default=inf)
    high = max([column.high for column in columns] + list(marks), default=-inf)
    return Range(low, high, low, high)


def robust(
    columns: Sequence[Column],
    marks: Sequence[tuple[float, float]] = (),
    window: int = 1,
    before: bool = False,
) -> Range:
    """Give the range without outliers.

    marks: (step, value) of what stands beside the curve. window: of the median that is drawn over
    it. before: whether something was left out when it was last drawn.
    """
    every = whole(columns, [value for _step, value in marks])
    if len(columns) < _FEWEST or not _LEAST < every.high - every.low < inf:
        return every
    values = sorted(value for column in columns for value in (column.low, column.high))
    at = int(len(values) * _TAIL)
    first, last = values[at], values[-1 - at]
    span = max(last - first, _FLAT * max(abs(first), abs(last)))
    start = columns[0].step + (columns[-1].step - columns[0].step) * (1 - 1 / _NOW)
    now = [value for step, value in (*smoothed(columns, window), *marks) if step >= start]
    there = [*values, *(value for _step, value in marks)]
    within = [each for each in there if first - _FENCE * span <= each <= last + _FENCE * span]
    low, high = min(*within, *now), max(*within, *now)
    if low == high:
        low, high = low - span / 2, high + span / 2
    stride = 10.0 ** floor(log10(high - low)) / _STRIDES
    low, high = floor(low / stride) * stride, ceil(high / stride) * stride
    low, high = max(low, every.low), min(high, every.high)
    gain = (every.high - every.low) / (high - low) if high > low else 1.0
    if gain < (_KEPT_GAIN if before else _GAIN):
        return every
    return every._replace(low=low, high=high)
