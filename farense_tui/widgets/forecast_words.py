"""A forecast as the plan tells it: verdict by sign and word, parts, time, what makes it fit."""

from __future__ import annotations

from textual.content import Content

from farense_tui.engine import format as f
from farense_tui.engine.estimate import Estimate
from farense_tui.engine.forecast import GIB, Forecast
from farense_tui.engine.forecast_words import mark
from farense_tui.engine.text import clean

_STYLES = {
    "fits": "$success",
    "tight": "$warning",
    "will not fit": "$error",
    "unknown": "$text-muted",
}


def memory(made: Estimate, *, old: bool, between: str) -> Content:
    """Tell the verdict, of how much memory, and what takes most of it."""
    found = made.forecast
    if found is None:
        return Content.styled(f"? not known: {clean(made.why)}", "$text-muted")
    style = "$text-muted" if old else _STYLES[found.verdict]
    most = "" if found.known_lengths else "≤ "
    first = Content.assemble(
        (f"{mark(found)} {found.verdict}", style),
        f"  {most}{found.needed / GIB:.1f} of {found.limit / GIB:.1f} GiB",
        " …" if old else "",
    )
    return Content.assemble(first, between, (_parts(found), "$text-muted"))


def _parts(found: Forecast) -> str:
    """Name the weights and the largest of the rest."""
    parts = found.parts
    rest = {
        "adapter": parts.adapter + parts.optimizer + parts.other,
        "activations": parts.activations,
        "logits": parts.logits,
    }
    largest = max(rest, key=lambda name: rest[name])
    return f"weights {f.short_size(parts.weights)} · {largest} {f.short_size(rest[largest])}"


def time(made: Estimate) -> Content | None:
    """Tell how long the run takes; nothing where nobody knows."""
    found = made.forecast
    if found is None or found.run_seconds is None:
        return None
    most = "" if found.known_lengths else "up to "
    return Content.assemble(
        f"{most}{f.duration(found.run_seconds)}", (f"  {found.speed_from}", "$text-muted")
    )


def remedy(made: Estimate, between: str) -> Content | None:
    """Tell what would make it fit, and the key thay does it."""
    if made.remedy is None:
        return None
    then = made.remedy.forecast
    return Content.assemble(
        made.remedy.words,
        between,
        (f"{mark(then)} {then.verdict}", _STYLES[then.verdict]),
        (f"  {then.needed / GIB:.1f} GiB  ", "$text-muted"),
        ("y does it", "$accent"),
    )
