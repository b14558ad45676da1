"""A forecast in few words."""

from __future__ import annotations

from farense_tui.engine import format as f
from farense_tui.engine.estimate import Estimate
from farense_tui.engine.forecast import GIB, Forecast

_MARKS = {"fits": "✓", "tight": "!", "will not fit": "✗", "unknown": "?"}


def mark(found: Forecast) -> str:
    """Give the sign of a verdict."""
    return _MARKS[found.verdict]


def used(found: Forecast) -> str:
    """Say how much memory it takes of how much: `3.1 of 5.3 GiB`."""
    most = "" if found.known_lengths else "up to "
    return f"{most}{found.needed / GIB:.1f} of {found.limit / GIB:.1f} GiB"


def line(made: Estimate) -> str:
    """Tell a forecast in a line."""
    found = made.forecast
    if found is None:
        return f"forecast: unknown, {made.why}"
    said = f"forecast: {found.verdict}, {used(found)}"
    if found.run_seconds:
        said += f", about {f.duration(found.run_seconds)}"
    if made.remedy:
        said += f"; {made.remedy.forecast.verdict} with {made.remedy.words}"
    return said
