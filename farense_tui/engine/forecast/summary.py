"""A forecast in few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.percent import percent
from farense_worker.protocol.plan.memory import GIB, SYSTEM

from farense_tui.engine import readable as f
from farense_tui.engine.status_words import verdict

if TYPE_CHECKING:
    from farense_tui.engine.forecast.forecast import Forecast
    from farense_tui.engine.forecast.gather import Estimate

_MARKS = {"fits": "✓", "tight": "!", "will not fit": "✗", "unknown": "?"}  # not translated: keys

_WORTH_TELLING = 0.02  # share of the tokens


def mark(found: Forecast) -> str:
    return _MARKS[found.verdict]


def used(found: Forecast) -> str:
    """Say how much memory it takes of how much: `3.1 of 5.3 GiB`."""
    said = _("{needed:.1f} of {limit:.1f} GiB")
    if not found.known_lengths:
        said = _("up to {needed:.1f} of {limit:.1f} GiB")
    return said.format(needed=found.needed / GIB, limit=found.limit / GIB)


def paging(found: Forecast | None) -> str:
    """Say what becomes of a run that leaves the system too little; empty where it leaves enough."""
    if found is None or not found.pages:
        return ""
    return _(
        "it leaves the system less than {least:.0f} GiB: such a run swaps, slower and slower, and "
        "the Mac with it"
    ).format(least=SYSTEM / GIB)


def sharing(found: Forecast | None) -> str:
    """Say what is saved because rows begin alike, or why it is not; empty where that is little."""
    if found is None:
        return ""
    if found.not_shared:
        said = _("what rows begin with alike is computed for each: {why}")
        return said.format(why=found.not_shared)
    if found.shared < _WORTH_TELLING:
        return ""
    said = _("what rows begin with alike is computed once a step: {share} less to compute")
    return said.format(share=percent(found.shared))


def line(made: Estimate) -> str:
    found = made.forecast
    if found is None:
        return _("forecast: unknown, {why}").format(why=made.why)
    said = _("forecast: {verdict}, {used}").format(verdict=verdict(found.verdict), used=used(found))
    if found.run_seconds:
        said += ", " + _("about {time}").format(time=f.duration(found.run_seconds))
    if found.pages:
        said += "; " + paging(found)
    if alike := sharing(found):
        said += "; " + alike
    if made.remedy:
        then = verdict(made.remedy.forecast.verdict)
        said += "; " + _("{verdict} with {how}").format(verdict=then, how=made.remedy.words)
    return said
