"""Sparklines as text."""

from __future__ import annotations

from collections.abc import Sequence

from farense_tui.engine.series import Series

_EIGHTHS = " ▁▂▃▄▅▆▇█"


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


def column_values(series: Series, count: int) -> list[float]:
    """Give one mean for each of at most `count` columns."""
    return [column.mean for column in series.columns(count)]


def extremes(series: Series) -> tuple[float, float] | None:
    """The least and the greatest finite value."""
    whole = series.columns(1)
    return (whole[0].low, whole[0].high) if whole else None
