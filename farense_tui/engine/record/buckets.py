"""A series' past: stretches of points of which only the ends, the extremes and sums are kept.

Each figure is a column of numbers, 64 bytes a bucket in all, and there are 2,048 buckets at most;
then two are made one. So the past of a million steps takes as much as that of a hundred thousand.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from math import inf, isfinite, nan
from operator import add
from typing import NamedTuple

_SIZE = 32  # points of the first buckets
_MOST = 2048  # more than a picture has columns; then two become one
_FULLEST = float(1 << 40)  # points: of more there is no record
LARGEST = 1e300  # of a value: the distance between two is finite


class Summary(NamedTuple):
    """What is in a stretch of values. Extremes and total are over the finite ones."""

    low: float
    high: float
    total: float
    finite: int
    points: int


class Bucket(NamedTuple):
    """One stretch; `last` is the newest finite value or NaN."""

    start: float
    end: float
    last: float
    low: float
    high: float
    total: float
    finite: float
    points: float


_FIGURES = tuple(Bucket.__annotations__)


class Buckets:
    """Some buckets, the oldest first; never changed. New ones get `size` points."""

    __slots__ = ("size", *_FIGURES)
    size: int
    start: array[float]
    end: array[float]
    last: array[float]
    low: array[float]
    high: array[float]
    total: array[float]
    finite: array[float]
    points: array[float]

    def __init__(self, size: int | None = None, columns: Sequence[array[float]] = ()) -> None:
        """Take a column for each figure, all of one length (else ValueError); or have none."""
        self.size = size or _SIZE
        columns = columns or [array("d")] * len(_FIGURES)
        for name, column in zip(_FIGURES, columns, strict=True):
            setattr(self, name, column)
        if any(len(column) != len(self) for column in columns):
            raise ValueError(len(self))

    def __len__(self) -> int:
        """Count the buckets."""
        return len(self.end)

    @property
    def columns(self) -> tuple[array[float], ...]:
        """All figures, each of all buckets."""
        return tuple(getattr(self, name) for name in _FIGURES)

    def sound(self) -> bool:
        """Whether points can have come to these: they may be from a file."""
        return all(_is_sound(Bucket(*row)) for row in zip(*self.columns, strict=True))

    def added(self, new: Sequence[Bucket]) -> Buckets:
        """Give these and some more, two as one where there are too many."""
        if not new:
            return self
        made = Buckets(self.size, [*map(add, self.columns, _columns(new))])
        return made._halved() if len(made) > _MOST else made

    def first(self, count: int) -> Buckets:
        """Give the oldest `count`."""
        return Buckets(self.size, [column[:count] for column in self.columns])

    def before(self, step: float, start: int = 0, stop: int | None = None) -> int:
        """Count those that end before `step`; only those from `start` to `stop` are looked at."""
        return bisect_left(self.end, step, start, len(self) if stop is None else stop)

    def upto(self, step: float) -> int:
        """As `before`, one that ends at `step` counted too."""
        return bisect_right(self.end, step)

    def summary(self, start: int, stop: int) -> Summary:
        """Summarise those from `start` to before `stop`."""
        return Summary(
            min(self.low[start:stop], default=inf),
            max(self.high[start:stop], default=-inf),
            sum(self.total[start:stop]),
            int(sum(self.finite[start:stop])),
            int(sum(self.points[start:stop])),
        )

    def last_finite(self, start: int, stop: int) -> float:
        """Give the newest finite value of a stretch that has one."""
        return next(self.last[at] for at in range(stop - 1, start - 1, -1) if self.finite[at])

    def not_finite(self, start: int, stop: int) -> list[float]:
        """Give the ends of those that hold a value which is not finite."""
        bad = (at for at in range(start, stop) if self.finite[at] < self.points[at])
        return [self.end[at] for at in bad]

    def middle(self, at: int) -> tuple[float, float]:
        """Give the end of one and its mean."""
        finite = self.finite[at]
        return self.end[at], self.total[at] / finite if finite else nan

    def _halved(self) -> Buckets:
        rows = [Bucket(*row) for row in zip(*self.columns, strict=True)]
        pairs = (rows[at : at + 2] for at in range(0, len(rows), 2))
        return Buckets(2 * self.size, _columns([_one(*pair) for pair in pairs]))


def joined(one: Summary, other: Summary) -> Summary:
    """Summarise two stretches as one."""
    return Summary(
        min(one.low, other.low),
        max(one.high, other.high),
        one.total + other.total,
        one.finite + other.finite,
        one.points + other.points,
    )


def _is_sound(bucket: Bucket) -> bool:
    low, high, finite = bucket.low, bucket.high, bucket.finite
    if not 0 <= finite <= bucket.points <= _FULLEST:
        return False
    if not finite:
        return (low, high, bucket.total) == (inf, -inf, 0.0)
    return -LARGEST <= low <= bucket.last <= high <= LARGEST and isfinite(bucket.total)


def _columns(rows: Iterable[Bucket]) -> list[array[float]]:
    return [array("d", column) for column in zip(*rows, strict=True)]


def _one(old: Bucket, new: Bucket | None = None) -> Bucket:
    if new is None:
        return old
    return Bucket(
        old.start,
        new.end,
        new.last if isfinite(new.last) else old.last,
        min(old.low, new.low),
        max(old.high, new.high),
        old.total + new.total,
        old.finite + new.finite,
        old.points + new.points,
    )
