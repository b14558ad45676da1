"""The words for what the code names in English: how a run is, what it does, a forecast's verdict.

Records, JSON and comparisons hold the names; these are shown, on every screen, in every line of
text and in the report alike.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from farense_worker.protocol.language import gettext as _

Tone = Literal["good", "warn", "bad", "plain", "dim"]


class Status(NamedTuple):
    """How a run is: a sign, a word and a tone, so never a colour alone."""

    sign: str
    word: str
    tone: Tone


STATUS = {
    "running": Status("●", _("running"), "good"),
    "paused": Status("‖", _("paused"), "warn"),
    "stopping": Status("◌", _("stopping"), "warn"),
    "completed": Status("✓", _("completed"), "good"),
    "overfitted": Status("△", _("overfitted"), "warn"),
    "diverged": Status("△", _("diverged"), "warn"),
    "unlearnt": Status("△", _("not learnt"), "warn"),
    "early_stopping": Status("✓", _("early stop"), "good"),
    "stopped": Status("■", _("stopped"), "plain"),
    "failed": Status("✗", _("failed"), "bad"),
    "killed": Status("✗", _("killed"), "bad"),
    "lost": Status("?", _("lost"), "bad"),
    "new": Status("○", _("new"), "dim"),
}
_PHASES = {
    "starting": _("starting"),
    "downloading": _("downloading the model"),
    "loading_model": _("loading the model"),
    "checking": _("checking that the faster ways give the same"),
    "precomputing": _("computing the frozen layers once"),
    "tokenizing": _("turning the texts into tokens"),
    "training": _("training"),
    "validating": _("validating"),
    "saving": _("saving a checkpoint"),
    "sampling": _("asking the sample prompts"),
    "paused": _("paused"),
    "stopping": _("stopping"),
}
_ENDS = {
    "completed": _("completed at step {step}"),
    "stopped": _("stopped by the user at step {step}"),
    "early_stopping": _("stopped early: the validation loss no longer falls at step {step}"),
}
_VERDICTS = {
    "fits": _("fits"),
    "tight": _("tight"),
    "will not fit": _("will not fit"),  # not translated: the key
    "unknown": _("unknown"),
}
_UNITS = {
    "examples": _("examples"),
    "rows": _("rows"),
    "bytes": _("bytes"),
    "answers": _("answers"),
}


def how(name: str) -> Status:
    """Give the sign, the word and the tone of what `runs.describe.status` names."""
    return STATUS.get(name, Status("·", name, "plain"))


def status(name: str) -> str:
    return how(name).word


def phase(name: str) -> str:
    return _PHASES.get(name, name)


def ended(name: str, step: int) -> str:
    """Say how a run ended and where, from its status or the reason of its last event."""
    if name in _ENDS:
        return _ENDS[name].format(step=step)
    return _("{status} at step {step}").format(status=status(name), step=step)


def verdict(name: str) -> str:
    return _VERDICTS.get(name, name)


def unit(name: str) -> str:
    """Say what a phase's progress is counted in."""
    return _UNITS.get(name, name)
