"""What brings a dead run back. Why it died is found out in engine/runs/death.py."""

from __future__ import annotations

from dataclasses import replace

from farense_worker.protocol.errors import LIMIT
from farense_worker.protocol.language import gettext as _

from farense_tui.engine.health.facts import Facts
from farense_tui.engine.health.finding import Action, Found, rule
from farense_tui.engine.health.remedies import RESUME, halve_rate, smaller_steps, takes_less
from farense_tui.engine.runs import death

_MEMORY = ("gpu_memory", "memory", LIMIT)
_GPU = ("gpu_watchdog", "gpu_timeout", "gpu_fault", "gpu_buffers")


def _again(change: Action | None) -> Action:
    if change is None:
        return RESUME
    return replace(change, label=_("resume {how}").format(how=change.how))


@rule(
    "worker-gone",
    _("the process is gone and said nothing at its end: killed, crashed, or lost with the machine"),
    _("resume"),
)
def worker_gone(facts: Facts) -> Found | None:
    """The lock is free and the last event is no end."""
    if facts.alive or facts.status not in ("killed", "lost"):
        return None
    lost = facts.status == "lost"
    evidence = (
        _("its last sign of life is of step {step}, the machine was started after it")
        if lost
        else _("its last sign of life is of step {step}")
    )
    return (
        "alarm",
        death.in_short(facts.status),
        evidence.format(step=facts.state.step),
        _(
            "A resume goes on from the newest checkpoint. "
            "If memory ran out, take smaller steps first."
        ),
        RESUME,
    )


@rule(
    "out-of-memory",
    _("it ended because memory ran out"),
    _("resume with a smaller micro-batch"),
)
def out_of_memory(facts: Facts) -> Found | None:
    """By Metal's word, MLX's or our own limit."""
    failure = facts.state.failure
    if facts.alive or failure is None or failure.kind not in _MEMORY:
        return None
    # Our own limit ends a run only when no finer cut is left: farense_worker/loop/shortage.py.
    change = smaller_steps(facts.config, facts.state, alone=failure.kind == LIMIT)
    kept = _("The effective batch stays as it is, so the curve goes on as it was.")
    return (
        "alarm",
        _("it needs less memory"),
        _("after step {step}: {what}").format(step=failure.step, what=failure.title),
        kept if change else (failure.kind == LIMIT and failure.hint) or takes_less(None),
        _again(change),
    )


@rule(
    "gpu",
    _("it ended with a text of Metal's: watchdog, timeout, fault, too many buffers"),
    _("resume with smaller micro-batches, display asleep"),
)
def gpu(facts: Facts) -> Found | None:
    """farense_worker/process/native_errors.py knows the texts."""
    failure = facts.state.failure
    if facts.alive or failure is None or failure.kind not in _GPU:
        return None
    smaller = failure.kind in ("gpu_watchdog", "gpu_timeout")
    return (
        "alarm",
        _("the GPU was taken away") if smaller else _("the GPU's driver gave up"),
        _("after step {step}: {what}").format(step=failure.step, what=failure.title),
        failure.hint,
        _again(smaller_steps(facts.config, facts.state)) if smaller else RESUME,
    )


@rule(
    "ended-not-finite",
    _("it ended for NaN after its rollbacks"),
    _("resume with half the rate"),
)
def ended_not_finite(facts: Facts) -> Found | None:
    """The weights are those of the newest checkpoint, which is sound."""
    failure = facts.state.failure
    if facts.alive or failure is None or failure.kind != "not_finite":
        return None
    return (
        "alarm",
        _("the loss became NaN or infinite"),
        failure.detail,
        _("The newest checkpoint is sound."),
        _again(halve_rate(facts.config, facts.state)),
    )


RULES = (worker_gone, out_of_memory, gpu, ended_not_finite)
