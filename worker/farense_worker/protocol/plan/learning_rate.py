"""The learning rate of each step: the training sets it, the plan looks ahead."""

from __future__ import annotations

import math

from farense_worker.protocol.settings.profile import Train


def warmup(settings: Train, total_steps: int) -> int:
    """Steps in which the rate grows: warmup_steps, but no more than warmup_cap of the run.

    A warm-up as long as the run would end before the rate is reached.
    """
    if not settings.warmup_cap:
        return settings.warmup_steps
    return min(settings.warmup_steps, int(settings.warmup_cap * total_steps))


def is_capped(settings: Train, total_steps: int) -> bool:
    """Whether the run is too short for its warmup_steps."""
    return warmup(settings, total_steps) < settings.warmup_steps


def learning_rate(settings: Train, step: int, total_steps: int) -> float:
    """Rate of step `step` (from 1): linear up to the end of the warm-up, then by the schedule.

    linear and cosine begin at the peak, at the end of the warm-up or at step 1, and reach
    final_learning_rate at the step after the last: a step with a rate of 0 would change nothing
    (Loshchilov and Hutter, 2017, equation 5, for the cosine without restarts).
    """
    peak, final = settings.learning_rate, settings.final_learning_rate
    warm = warmup(settings, total_steps)
    if step <= warm:
        return peak * step / warm
    if settings.schedule == "constant":
        return peak
    first = max(1, warm)
    done = (step - first) / (total_steps + 1 - first)
    if settings.schedule == "linear":
        return peak + (final - peak) * done
    return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * done))


def highest(settings: Train, total_steps: int) -> tuple[float, int]:
    """Give the highest rate of a run, and the first step that has it."""
    at = max(1, min(warmup(settings, total_steps), total_steps))
    return learning_rate(settings, at, total_steps), at
