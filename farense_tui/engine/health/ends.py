"""Why a run is dead, and what brings it back."""

from __future__ import annotations

from dataclasses import replace

from farense_tui.engine.health.facts import Facts
from farense_tui.engine.health.finding import Action, Found, rule
from farense_tui.engine.health.remedies import RESUME, halve_rate, smaller_steps

_MEMORY = ("gpu_memory", "memory")
_GPU = ("gpu_watchdog", "gpu_timeout", "gpu_fault", "gpu_buffers")


def _again(change: Action | None) -> Action:
    return replace(change, label=change.label.replace("go on", "resume")) if change else RESUME


@rule(
    "worker-gone",
    "the process is gone and said nothing at its end: killed, crashed, or lost with the machine",
    "resume",
)
def worker_gone(facts: Facts) -> Found | None:
    """The lock is free and the last event is no end."""
    if facts.alive or facts.status not in ("killed", "lost"):
        return None
    lost = facts.status == "lost"
    at = f"its last sign of life is of step {facts.state.step}"
    return (
        "alarm",
        "the machine went down" if lost else "the worker was killed or crashed",
        f"{at}, the machine was started after it" if lost else at,
        "A resume goes on from the newest checkpoint. If memory ran out, take smaller steps first.",
        RESUME,
    )


@rule("out-of-memory", "it ended because memory ran out", "resume with a smaller micro-batch")
def out_of_memory(facts: Facts) -> Found | None:
    """By Metal's word, MLX's or our own limit."""
    failure = facts.state.failure
    if facts.alive or failure is None or failure.kind not in _MEMORY:
        return None
    return (
        "alarm",
        "it needs less memory",
        f"after step {failure.step}: {failure.title}",
        "The effective batch stays as it is, so the curve goes on as it was.",
        _again(smaller_steps(facts.config)),
    )


@rule(
    "gpu",
    "it ended with a text of Metal's: watchdog, timeout, fault, too many buffers",
    "resume with smaller micro-batches, display asleep",
)
def gpu(facts: Facts) -> Found | None:
    """worker/failures.py knows the texts."""
    failure = facts.state.failure
    if facts.alive or failure is None or failure.kind not in _GPU:
        return None
    smaller = failure.kind in ("gpu_watchdog", "gpu_timeout")
    return (
        "alarm",
        "the GPU was taken away" if smaller else "the GPU's driver gave up",
        f"after step {failure.step}: {failure.title}",
        failure.hint,
        _again(smaller_steps(facts.config)) if smaller else RESUME,
    )


@rule("ended-not-finite", "it ended for NaN after its rollbacks", "resume with half the rate")
def ended_not_finite(facts: Facts) -> Found | None:
    """The weights are those of the newest checkpoint, which is sound."""
    failure = facts.state.failure
    if facts.alive or failure is None or failure.kind != "not_finite":
        return None
    return (
        "alarm",
        "the loss became NaN or infinite",
        failure.detail,
        "The newest checkpoint is sound.",
        _again(halve_rate(facts.config)),
    )


RULES = (worker_gone, out_of_memory, gpu, ended_not_finite)
