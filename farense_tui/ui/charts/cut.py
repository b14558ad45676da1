"""The columns of a series that grows, cut anew when that would be seen."""

from __future__ import annotations

from math import inf, nextafter

from farense_tui.engine.record.series import Column, Series


class Cut:
    """Keeps what it has cut until the series has grown by a column; till then the last one grows.

    So a step costs a long run no more than a short one, and an extreme is there at once.
    """

    def __init__(self) -> None:
        """Nothing is cut yet."""
        self._of = Series()
        self._count = 0
        self._columns: list[Column] = []

    def columns(self, series: Series, count: int) -> list[Column]:
        """Cut a series into `count` columns; empty ones are left out."""
        grown = len(series) - len(self._of)
        kept = self._columns[:-1]
        if count != self._count or not series.continues(self._of) or not kept:
            grown = len(series)
        if grown * count >= len(series):
            self._of, self._count = series, count
            self._columns = series.columns(count)
            return self._columns
        return kept + series.columns(1, nextafter(kept[-1].step, inf))
