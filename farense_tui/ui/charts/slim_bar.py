"""A bar one line high and half a cell fine."""

from __future__ import annotations

from textual.content import Content


def slim_bar(share: float, width: int, style: str = "$accent") -> Content:
    """Draw how much of `width` is done; rounded down, so that only what is done looks full."""
    halves = int(max(0.0, min(1.0, share)) * width * 2)
    full, half = divmod(halves, 2)
    rest = width - full - half
    return Content.assemble(("━" * full + "╸" * half, style), ("─" * rest, "$foreground 20%"))
