"""The words for what the code names in English: how a run is, what it does, a forecast's verdict.

Records, JSON and comparisons hold the names; these are shown.
"""

from __future__ import annotations

from farense_worker.protocol.language import gettext as _

_STATUS = {
    "waiting": _("waiting"),
    "running": _("running"),
    "paused": _("paused"),
    "stopping": _("stopping"),
    "completed": _("completed"),
    "early_stopping": _("early stopping"),
    "stopped": _("stopped"),
    "failed": _("failed"),
    "killed": _("killed"),
    "lost": _("lost"),
    "new": _("new"),
}
_PHASES = {
    "starting": _("starting"),
    "downloading": _("downloading"),
    "loading_model": _("loading model"),
    "precomputing": _("precomputing"),
    "tokenizing": _("tokenizing"),
    "training": _("training"),
    "validating": _("validating"),
    "saving": _("saving"),
    "sampling": _("sampling"),
    "paused": _("paused"),
    "stopping": _("stopping"),
}
_VERDICTS = {
    "fits": _("fits"),
    "tight": _("tight"),
    "will not fit": _("will not fit"),  # not translated: the key
    "unknown": _("unknown"),
}
_UNITS = {"examples": _("examples"), "rows": _("rows"), "bytes": _("bytes")}


def status(name: str) -> str:
    """Say how a run is, from what `runs.status` gives."""
    return _STATUS.get(name, name)


def phase(name: str) -> str:
    """Say what a worker does, from the name of its phase."""
    return _PHASES.get(name, name)


def verdict(name: str) -> str:
    """Say whether a run fits."""
    return _VERDICTS.get(name, name)


def unit(name: str) -> str:
    """Say what a phase's progress is counted in."""
    return _UNITS.get(name, name)
