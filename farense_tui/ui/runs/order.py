"""Which runs the list shows, and in what order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import Any

from farense_worker.protocol.language import gettext as _

from farense_tui.engine import status_words
from farense_tui.engine.runs.describe import RunSummary
from farense_tui.engine.runs.folders import note
from farense_tui.ui.common.status import look


def _created(summary: RunSummary) -> float:
    return float(summary.config.run.created if summary.config else summary.state.first_time)


def _best(summary: RunSummary) -> float:
    best = summary.state.best
    return inf if best is None or best.loss is None else best.loss


ORDERS: dict[str, Callable[[RunSummary], Any]] = {
    _("newest first"): lambda s: (-_created(s), s.folder.name),
    _("best validation first"): lambda s: (_best(s), s.folder.name),
    _("last written first"): lambda s: (-s.state.last_time, s.folder.name),
    _("by name"): lambda s: s.folder.name,
}


def arranged(summaries: Iterable[RunSummary], order: str, wanted: str = "") -> list[RunSummary]:
    """The runs that have every word of `wanted` in name, state, model, data, profile or note."""
    searched = wanted.lower().split()
    kept = [s for s in summaries if all(word in _text(s) for word in searched)]
    return sorted(kept, key=ORDERS[order])


def _text(summary: RunSummary) -> str:
    config = summary.config
    about = [config.model.repo, config.data.path, config.run.profile_name] if config else []
    state = [look(summary.status, summary.state).word, status_words.status(summary.status)]
    return " ".join([summary.folder.name, *state, *about, note(summary.folder)]).lower()
