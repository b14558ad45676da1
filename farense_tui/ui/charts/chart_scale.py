"""Axes: which part of the run is seen, where a value stands, and where the ticks are. Pure."""

from __future__ import annotations

from itertools import pairwise
from math import ceil, floor, isfinite, log10
from typing import NamedTuple

_NICE = (1.0, 2.0, 5.0, 10.0)
_STAGES = (1.0, 1.5, 2.0, 3.0, 5.0, 7.5)
_SECONDS = (1.0, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_UNITS = ((1e6, "M"), (1e3, "k"))
_LARGEST, _DECIMALS = 1e10, 4  # what is written with decimals, and how many
_SMALLEST = 1e-6  # a loss of 0 on a logarithmic axis


class Window(NamedTuple):
    """The steps that are seen; `end` is None where it follows the newest step."""

    start: float
    end: float | None


def reach(step: float, total: int, ended: bool) -> float:
    """Last step of the axis while the run grows.

    It grows in stages and not with every step, so that the picture stands still while the line
    goes on; a run that has ended fills the whole width.
    """
    if ended or step < 1:
        return max(step, 1.0)
    if total and step > total * 0.6:
        return max(float(total), step)
    power = 10.0 ** floor(log10(step))
    stage = next((s * power for s in _STAGES if s * power > step), 10 * power)
    stage = max(10.0, stage)
    return min(stage, float(total)) if total else stage


def zoomed(window: Window | None, whole: float, factor: float, at: float | None) -> Window | None:
    """Show `factor` times as many steps; `at` stays where it is, without it the right edge does."""
    start, end = window if window else (0.0, None)
    right = whole if end is None else end
    span = max(4.0, (right - start) * factor)
    if span >= whole:
        return None
    if at is None:
        return Window(max(0.0, right - span), end)
    share = (at - start) / max(right - start, 1e-9)
    return _kept(at - share * span, span, whole)


def panned(window: Window | None, whole: float, by: float) -> Window | None:
    """Move by a share of what is seen; at the right edge it follows the run again."""
    if window is None:
        return None
    right = whole if window.end is None else window.end
    span = right - window.start
    return _kept(window.start + by * span, span, whole)


def between(start: float, end: float, whole: float) -> Window | None:
    """Show the steps between two, at least four."""
    span = max(4.0, end - start)
    return None if span >= whole else _kept(start, span, whole)


def _kept(start: float, span: float, whole: float) -> Window:
    start = max(0.0, min(start, whole - span))
    return Window(start, None if start + span >= whole * 0.999 else start + span)


class Axis(NamedTuple):
    """Maps a value to a share of the height or of the width, 0 at the low end."""

    low: float
    high: float
    log: bool = False

    def share(self, value: float) -> float:
        """Where `value` stands; may lie outside 0 to 1."""
        if self.log:
            low, high = log10(self.low), log10(self.high)
            return (log10(max(value, _SMALLEST)) - low) / (high - low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, most: int) -> list[float]:
        """Give at most `most` round values within the axis."""
        if self.log:
            ticks = _log_ticks(self.low, self.high)
            if 2 <= len(ticks) <= most:
                return ticks
            if len(ticks) > most:
                return ticks[:: ceil(len(ticks) / most)]
        ticks = _ticks(self.low, self.high, most)
        return ticks if len(ticks) > 1 else _ticks(self.low, self.high, most * 2)


def value_axis(low: float, high: float, log: bool) -> Axis:
    """Make an axis that holds `low` to `high` with a little air."""
    if not (isfinite(low) and isfinite(high)):
        return Axis(0.0, 1.0)
    if log:
        low, high = max(low, _SMALLEST), max(high, _SMALLEST)
        return Axis(low / 1.05, high * 1.05, True)
    air = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
    return Axis(max(0.0, low - air) if low >= 0 else low - air, high + air)


def labels(ticks: list[float]) -> list[str]:
    """Write the ticks with as many decimals as tell them apart, in six cells where that can be."""
    if not ticks:
        return []
    gaps = [after - before for before, after in pairwise(ticks)]
    gap, most = min(gaps, default=abs(ticks[0]) or 1.0), max(map(abs, ticks))
    unit, sign = next((each for each in _UNITS if most >= 10 * each[0]), (1.0, ""))
    if unit == 1000 and most < 1e6 and any(tick % unit for tick in ticks):
        unit, sign = 1.0, ""  # 10100 is shorter than 10.100k
    decimals = max(0, -floor(log10(gap / unit) + 1e-9))
    if most >= _LARGEST or decimals > _DECIMALS:
        apart = floor(log10(most)) - floor(log10(gap) + 1e-9) + 1
        digits = min(max(4, apart), 5)  # and a point: what there is room for
        return [_short(tick, digits) for tick in ticks]
    return [f"{tick / unit:.{decimals}f}{sign}" for tick in ticks]


def _short(tick: float, digits: int) -> str:
    """Write a value that is too small or too large for decimals: `1.5e-6`."""
    if not tick or 1e-3 <= abs(tick) < _LARGEST:
        return f"{tick:.{digits}g}"
    mantissa, exponent = f"{tick:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def time_ticks(low: float, high: float, most: int) -> list[float]:
    """Give at most about `most` round times within `low` to `high`, seconds."""
    gap = next((gap for gap in _SECONDS if (high - low) / gap <= most), _SECONDS[-1])
    while (high - low) / gap > most:
        gap *= 2
    return [number * gap for number in range(ceil(low / gap), floor(high / gap) + 1)]


def _ticks(low: float, high: float, most: int) -> list[float]:
    if most < 1 or high <= low:
        return []
    raw = (high - low) / most
    power = 10.0 ** floor(log10(raw))
    gap = next(nice * power for nice in _NICE if nice * power >= raw * 0.999)
    first, last = ceil(low / gap - 1e-9), floor(high / gap + 1e-9)
    return [number * gap for number in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    ticks = [digit * 10.0**power for power in decades for digit in (1, 2, 5)]
    return [tick for tick in ticks if low <= tick <= high]
