"""Numbers as people read them."""

from __future__ import annotations

from math import isfinite

UNKNOWN = "—"


def size(count: float | None) -> str:
    """Bytes in binary units: `1.5 GiB`."""
    if count is None:
        return UNKNOWN
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if abs(amount) < 1024:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def duration(seconds: float | None) -> str:
    """`4 s`, `3:07` or `2:03:07`."""
    if seconds is None or not isfinite(seconds):
        return UNKNOWN
    whole = int(max(0.0, seconds) + 0.5)
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    if hours:
        return f"{hours}:{minutes:02}:{secs:02}"
    return f"{minutes}:{secs:02}" if minutes else f"{secs} s"


def loss(value: float | None) -> str:
    """Four decimals, as trainers print it."""
    if value is None:
        return UNKNOWN
    return f"{value:.4f}" if isfinite(value) else "not finite"


def rate(value: float | None) -> str:
    """A learning rate: `2e-04`, `1.5e-03`."""
    return UNKNOWN if value is None else f"{value:.3g}"


def count(value: float | None) -> str:
    """A count with a unit where it is large: `12`, `3.4 k`, `120 k`, `1.2 M`, `7.2 B`."""
    if value is None or not isfinite(value):
        return UNKNOWN
    amount = float(value)
    if abs(amount) < 1000:
        return f"{amount:.0f}"
    for unit in ("k", "M", "B"):
        amount /= 1000
        if abs(amount) < 1000 or unit == "B":
            break
    return f"{amount:.0f} {unit}" if abs(amount) >= 100 else f"{amount:.1f} {unit}"
