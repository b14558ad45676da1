"""A forecast as the plan tells it: verdict by sign and word, parts, time, what makes it fit."""

from __future__ import annotations

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.plan.memory import GIB
from textual.content import Content

from farense_tui.engine import readable as f
from farense_tui.engine.forecast.forecast import Forecast
from farense_tui.engine.forecast.gather import Estimate
from farense_tui.engine.forecast.summary import mark as sign
from farense_tui.engine.status_words import verdict

_STYLES = {
    "fits": "$success",
    "tight": "$warning",
    "will not fit": "$error",  # not translated: a key
    "unknown": "$text-muted",
}


def memory(made: Estimate, *, old: bool, between: str) -> Content:
    """Tell the verdict, of how much memory, and what takes most of it."""
    found = made.forecast
    if found is None:
        return Content.styled(_("? not known: {why}").format(why=clean(made.why)), "$text-muted")
    style = "$text-muted" if old else _STYLES[found.verdict]
    most = "" if found.known_lengths else "≤ "
    figures = _("{needed:.1f} of {limit:.1f} GiB")
    told = figures.format(needed=found.needed / GIB, limit=found.limit / GIB)
    first = Content.assemble(
        (f"{sign(found)} {verdict(found.verdict)}", style),
        f"  {most}{told}",
        " …" if old else "",
    )
    return Content.assemble(first, between, (_parts(found), "$text-muted"))


def _parts(found: Forecast) -> str:
    """Name the weights and the largest of the rest."""
    parts = found.parts
    rest = {
        _("adapter"): parts.adapter + parts.optimizer + parts.other,
        _("activations"): parts.activations,
        _("logits"): parts.logits,
    }
    largest = max(rest, key=lambda name: rest[name])
    weights = _("weights {size}").format(size=f.short_size(parts.weights))
    return f"{weights} · {largest} {f.short_size(rest[largest])}"


def time(made: Estimate) -> Content | None:
    """Tell how long the run takes; nothing where nobody knows."""
    found = made.forecast
    if found is None or found.run_seconds is None:
        return None
    told = f.duration(found.run_seconds)
    if not found.known_lengths:
        told = _("up to {duration}").format(duration=told)
    return Content.assemble(told, (f"  {_(found.speed_from)}", "$text-muted"))


def remedy(made: Estimate, between: str) -> Content | None:
    """Tell what would make it fit, and the key thay does it."""
    if made.remedy is None:
        return None
    then = made.remedy.forecast
    return Content.assemble(
        made.remedy.words,
        between,
        (f"{sign(then)} {verdict(then.verdict)}", _STYLES[then.verdict]),
        (f"  {then.needed / GIB:.1f} GiB  ", "$text-muted"),
        (_("y does it"), "$accent"),
    )
