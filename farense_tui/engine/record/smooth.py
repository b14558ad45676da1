"""The smoothed line: the median over a window of steps that reaches as far ahead as back.

A window in the middle does not lag behind as an exponential mean does, so the line runs through
the points and not above them. A median, unlike a mean, does not show one spike as a plateau. At
the newest step only the half of the window that is there counts.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from statistics import median

from farense_tui.engine.record.series import Column

_WINDOWS = (1, 3, 5, 7, 11, 15, 21, 31, 51, 75, 101, 151, 201, 301, 501)


def window_for(points: int) -> int:
    """How many steps the median goes over: about a twentieth of those that are seen."""
    wanted = points / 20
    if wanted > 2 * _WINDOWS[-1]:
        return int(wanted) | 1
    window = next((size for size in reversed(_WINDOWS) if size <= wanted), 1)
    return max(window, 3) if points > 6 else 1


def smoothed(columns: Sequence[Column], window: int) -> list[tuple[float, float]]:
    """Give (step, median over the window around it) for each column.

    Where a column holds many points their mean stands for them: a window is always several
    columns wide, and this way the cost is that of the columns and not of the run.
    """
    steps = [column.step for column in columns]
    means = [column.mean for column in columns]
    half = window / 2
    return [
        (step, median(means[bisect_left(steps, step - half) : bisect_right(steps, step + half)]))
        for step in steps
    ]
