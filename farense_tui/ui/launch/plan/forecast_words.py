"""A forecast as the plan tells it: verdict by sign and word, parts, time, what makes it fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.plan.memory import GIB
from textual.content import Content

from farense_tui.engine import readable as f
from farense_tui.engine.forecast import summary
from farense_tui.engine.status_words import verdict
from farense_tui.ui.common.sentence import sentence
from farense_tui.ui.launch.forecaster import Forecasting

if TYPE_CHECKING:
    from farense_tui.engine.forecast.forecast import Forecast
    from farense_tui.engine.forecast.gather import Estimate

_STYLES = {
    "fits": "$success",
    "tight": "$warning",
    "will not fit": "$error",  # not translated: a key
    "unknown": "$text-muted",
}


def facts(known: Forecasting) -> list[Content]:
    """Time and memory, for the sentence; what is of older settings is pale."""
    made = known.made
    found = made.forecast if made else None
    if made is None:
        return [Content.styled("…", "$text-muted")]
    if found is None:
        return []
    told = [*_time(found), _memory(found)]
    return (
        [Content.styled(f"{each.plain} …", "$text-muted") for each in told] if known.old else told
    )


def _time(found: Forecast) -> list[Content]:
    if found.run_seconds is None:
        return []
    said = _("about {time}") if found.known_lengths else _("up to {time}")
    return [sentence(said, time=Content.styled(f.long_duration(found.run_seconds), "bold"))]


def _memory(found: Forecast) -> Content:
    told = Content.styled(verdict(found.verdict), _STYLES[found.verdict])
    return Content.assemble(summary.used(found), ": ", told)


def details(made: Estimate) -> list[Content]:
    """What takes the memory and where the time is from; why there is no forecast."""
    found = made.forecast
    if found is None:
        said = _("? Memory and time are not known: {why}.").format(why=clean(made.why))
        return [Content.styled(said, "$text-muted")]
    parts = found.parts
    rest = {
        _("adapter"): parts.adapter + parts.optimizer + parts.other,
        _("activations"): parts.activations,
        _("logits"): parts.logits,
    }
    largest = max(rest, key=lambda name: rest[name])
    said = _("Most memory goes to the weights, {weights}, and {part}, {size}.")
    sizes = {"weights": f.size(parts.weights), "size": f.size(rest[largest])}
    told = said.format(part=largest, **sizes)
    if found.run_seconds is not None:
        told += " " + _("The time is {source}.").format(source=_(found.speed_from))
    if alike := summary.sharing(found):
        told += f" {alike[0].upper()}{alike[1:]}."
    lines = [Content.styled(told, "$text-muted")]
    if pages := summary.paging(found):
        lines.insert(0, Content.styled(f"! {pages[0].upper()}{pages[1:]}.", "$warning"))
    return lines


def remedy(made: Estimate) -> list[Content]:
    """Tell what would make it fit, and the key that does it."""
    if made.remedy is None:
        return []
    then = made.remedy.forecast
    fits = Content.styled(f"{summary.mark(then)} {verdict(then.verdict)}", _STYLES[then.verdict])
    said = _("With {how} it takes {needed:.1f} GiB: {fits}.")
    told = said.replace("{needed:.1f}", f"{then.needed / GIB:.1f}")
    key = Content.styled("  " + _("y takes that"), "$accent")
    return [Content.assemble(sentence(told, how=made.remedy.words, fits=fits), key)]
