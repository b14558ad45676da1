"""The smoothed line: a mean over a window of steps that reaches as far ahead as back.

A window in the middle does not lag behind as an exponential mean does, so the line runs through
the points and not above them; at the newest step only the half of the window that is there counts.
"""

from __future__ import annotations

from collections.abc import Sequence

from farense_tui.engine.series import Column

_WINDOWS = (1, 3, 5, 7, 11, 15, 21, 31, 51, 75, 101, 151, 201, 301, 501)


def window_for(points: int) -> int:
    """How many steps the mean goes over: about a twentieth of those that are seen."""
    wanted = points / 20
    window = next((size for size in reversed(_WINDOWS) if size <= wanted), 1)
    if wanted > 2 * _WINDOWS[-1]:
        window = int(wanted) | 1
    return max(window, 3) if points > 6 else 1


def smoothed(columns: Sequence[Column], window: int) -> list[tuple[float, float]]:
    """Give (step, mean over the window around it) for each column."""
    half = window / 2
    line: list[tuple[float, float]] = []
    total, count, first, last = 0.0, 0, 0, 0
    for column in columns:
        while last < len(columns) and columns[last].step <= column.step + half:
            total += columns[last].mean * columns[last].points
            count += columns[last].points
            last += 1
        while columns[first].step < column.step - half:
            total -= columns[first].mean * columns[first].points
            count -= columns[first].points
            first += 1
        line.append((column.step, total / count))
    return line
