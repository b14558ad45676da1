"""Sparklines as text."""

from __future__ import annotations

from collections.abc import Sequence

from farense_tui.engine.record.series import Column, Series
from farense_tui.engine.record.view_range import Range, robust, whole
from farense_tui.ui.charts.dots import BLANK, DOTS

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_FINER = 4  # columns for a mean, or a spark is too coarse to tell what is an outlier


def spark_rows(values: Sequence[float], height: int = 1) -> list[str]:
    """Draw one character a value, `height` rows from the top; the least value is a low block.

    Values that are all the same are drawn half high.
    """
    if not values or height < 1:
        return [""] * max(0, height)
    low, high = min(values), max(values)
    steps = height * 8 - 1
    levels = [
        1 + round((value - low) / (high - low) * steps) if high > low else height * 4
        for value in values
    ]
    return [
        "".join(_EIGHTHS[min(8, max(0, level - row * 8))] for level in levels)
        for row in reversed(range(height))
    ]


def line_rows(
    columns: Sequence[Column], width: int, height: int, view: Range | None = None
) -> list[str]:
    """Draw a thin line in braille, two columns a character, that reaches every extreme.

    Each column spans its least to its greatest value, and on to the column before it. What lies
    beyond `view` is drawn at the edge.
    """
    if not columns or width < 1 or height < 1:
        return [""] * max(0, height)
    view = view or whole(columns)
    low, high = view.low, view.high
    top = height * 4 - 1
    scale = top / (high - low) if high > low else 0.0
    dots = [[0] * width for _ in range(height)]
    before: tuple[int, int] | None = None
    for at, column in enumerate(columns[: width * 2]):
        upper, lower = (
            top - round((view.clamped(value) - low) * scale) if scale else top // 2
            for value in (column.high, column.low)
        )
        first, last = (min(upper, before[1]), max(lower, before[0])) if before else (upper, lower)
        for y in range(first, last + 1):
            dots[y >> 2][at >> 1] |= DOTS[y & 3][at & 1]
        before = upper, lower
    return ["".join(chr(BLANK | bits) if bits else " " for bits in row) for row in dots]


def filled(series: Series, count: int) -> list[Column]:
    """Give `count` columns; where there was nothing, as between two workers, the one before."""
    found = series.columns(count)
    if not found or len(found) == count:
        return found
    start, end = found[0].step, found[-1].step
    width = (end - start) / count or 1.0
    at, columns = 0, []
    for number in range(count):
        while at + 1 < len(found) and found[at + 1].step <= start + (number + 1) * width:
            at += 1
        columns.append(found[at])
    return columns


def means(columns: Sequence[Column], count: int) -> list[float]:
    """Give at most `count` means, each over columns that follow each other."""
    most = max(1, -(-len(columns) // max(1, count)))
    groups = [columns[at : at + most] for at in range(0, len(columns), most)] if count else []
    return [
        sum(c.mean * c.points for c in group) / sum(c.points for c in group) for group in groups
    ]


def course(series: Series, count: int) -> list[float]:
    """Give at most `count` means, without what would flatten the rest."""
    columns = series.columns(count * _FINER)
    view = robust(columns)
    return [view.clamped(mean) for mean in means(columns, count)]


def extremes(series: Series) -> tuple[float, float] | None:
    """The least and the greatest finite value."""
    whole = series.columns(1)
    return (whole[0].low, whole[0].high) if whole else None
