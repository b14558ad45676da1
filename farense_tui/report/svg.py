"""Curves as inline SVG, in the colours of the page's style sheet. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, isfinite, log10
from typing import NamedTuple

from farense_worker.protocol.language import gettext as _

Point = tuple[float, float]

_NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
_NOTHING = 1e-300  # a span so small that its parts are 0
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 12, 34


class Curve(NamedTuple):
    """A line, or dots where `dots` says so; `style` is its class in the style sheet."""

    points: Sequence[Point]
    style: str
    dots: bool = False
    tip: str = ""


class Mark(NamedTuple):
    """Something at one place: a vertical line (`y` None) or a ringed dot, with words beside it.

    `more` is told where there is room for it.
    """

    x: float
    y: float | None
    text: str
    more: str = ""


@dataclass(frozen=True)
class Frame:
    """Maps values to the drawing: x from `low_x` to `high_x`, y from `low` to `high`."""

    width: int
    height: int
    low_x: float
    high_x: float
    low: float
    high: float

    def x(self, value: float) -> float:
        """Give the place from the left, in pixels."""
        inner = self.width - _LEFT - _RIGHT
        return _LEFT + inner * (value - self.low_x) / (self.high_x - self.low_x)

    def y(self, value: float) -> float:
        """Give the place from the top, in pixels."""
        inner = self.height - _TOP - _BOTTOM
        return _TOP + inner * (1 - (value - self.low) / (self.high - self.low))


def chart(
    curves: Sequence[Curve],
    *,
    title: str,
    x_label: str,
    show: Callable[[float], str],
    width: int = 920,
    height: int = 300,
    marks: Sequence[Mark] = (),
    from_zero: bool = False,
    limit: float | None = None,
) -> str:
    """Draw curves over one axis; an empty text where there is nothing to draw.

    title: for who cannot see it. show: writes a value of the y axis. limit: a line that the y axis
    reaches up to, where the values come near it.
    """
    points = [p for curve in curves for p in curve.points if isfinite(p[1])]
    if not points:
        return ""
    frame = _frame(points, width, height, from_zero, limit)
    parts = [
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}" '
        'preserveAspectRatio="xMidYMid meet">',
        *_axes(frame, x_label, show),
    ]
    if limit is not None and frame.low <= limit <= frame.high:
        parts.append(_level(frame, limit, _("limit {value}").format(value=show(limit))))
    parts += [_vertical(frame, mark) for mark in marks if mark.y is None]
    parts += [_curve(frame, curve) for curve in curves]
    parts += [_ring(frame, mark) for mark in marks if mark.y is not None]
    return "".join([*parts, "</svg>"])


def ticks(low: float, high: float, most: int) -> list[float]:
    """Give at most `most` round values from `low` to `high`."""
    if high - low < max(_NOTHING, 1e-9 * max(abs(low), abs(high))):  # or ticks would be alike
        return [low]
    rough = (high - low) / most
    power = 10.0 ** floor(log10(rough))
    step = next(n * power for n in _NICE if n * power >= rough * 0.999)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _frame(
    points: Sequence[Point], width: int, height: int, from_zero: bool, limit: float | None
) -> Frame:
    low, high = min(point[1] for point in points), max(point[1] for point in points)
    if limit is not None and high > 0.5 * limit:
        high = max(high, limit)
    if from_zero:
        low = min(low, 0.0)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    low_x, high_x = min(0.0, *(point[0] for point in points)), max(point[0] for point in points)
    bottom = low if from_zero and low == 0 else low - room
    return Frame(width, height, low_x, high_x if high_x > low_x else low_x + 1, bottom, high + room)


def _axes(frame: Frame, x_label: str, show: Callable[[float], str]) -> list[str]:
    right, bottom = frame.width - _RIGHT, frame.height - _BOTTOM
    parts = []
    for value in ticks(frame.low, frame.high, 6):
        y = frame.y(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="tick end" x="{_LEFT - 8}" y="{y + 4:.1f}">{escape(show(value))}</text>'
        )
    for value in ticks(frame.low_x, frame.high_x, 8):
        x = frame.x(value)
        parts.append(
            f'<text class="tick middle" x="{x:.1f}" y="{bottom + 16}">{_number(value)}</text>'
        )
    parts.append(
        f'<line class="axis" x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>'
        f'<text class="tick end" x="{right}" y="{bottom + 30}">{escape(x_label)}</text>'
    )
    return parts


def _curve(frame: Frame, curve: Curve) -> str:
    points = [(frame.x(x), frame.y(y), y) for x, y in curve.points if isfinite(y)]
    if curve.dots:
        return "".join(
            f'<circle class="{curve.style}" cx="{x:.1f}" cy="{y:.1f}" r="3.5">'
            f"<title>{escape(curve.tip)} {value:.6g}</title></circle>"
            for x, y, value in points
        )
    path = "M" + "L".join(f"{point[0]:.1f} {point[1]:.1f}" for point in points)
    return f'<path class="{curve.style}" d="{path}"/>' if points else ""


def _vertical(frame: Frame, mark: Mark) -> str:
    x = frame.x(mark.x)
    if not _LEFT <= x <= frame.width - _RIGHT:
        return ""
    return (
        f'<line class="resumed" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" '
        f'y2="{frame.height - _BOTTOM}"><title>{escape(mark.more or mark.text)}</title></line>'
        f'<text class="tick middle" x="{x:.1f}" y="{_TOP - 2}">{escape(mark.text)}</text>'
    )


def _level(frame: Frame, value: float, text: str) -> str:
    y = frame.y(value)
    return (
        f'<line class="limit" x1="{_LEFT}" x2="{frame.width - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick end" x="{frame.width - _RIGHT}" y="{y - 5:.1f}">{escape(text)}</text>'
    )


def _ring(frame: Frame, mark: Mark) -> str:
    x, y = frame.x(mark.x), frame.y(mark.y or 0.0)
    left = x < frame.width * 0.6
    return (
        f'<circle class="best" cx="{x:.1f}" cy="{y:.1f}" r="7"/>'
        f'<text class="note {"start" if left else "end"}" x="{x + (12 if left else -12):.1f}" '
        f'y="{max(y - 10, _TOP + 10):.1f}">{escape(mark.text)}</text>'
    )


def _number(value: float) -> str:
    return f"{value:g}" if value != int(value) else f"{int(value)}"
