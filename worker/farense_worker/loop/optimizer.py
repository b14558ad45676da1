"""The optimizers and the learning rate."""

from __future__ import annotations

import math

import mlx.core as mx
import mlx.optimizers as optim

from farense_worker.loop.master_weights import Optimizer
from farense_worker.protocol.settings.profile import Train


def make(settings: Train) -> optim.Optimizer:
    """Make the optimizer that the profile names, with MLX's own defaults otherwise.

    Adam and AdamW correct the bias of their moments, as in Kingma and Ba (2015), algorithm 1, and
    Loshchilov and Hutter (2019); Adafactor takes the rate from outside, not from its step.
    """
    rate, decay = settings.learning_rate, settings.weight_decay
    match settings.optimizer:
        case "adam":
            return optim.Adam(learning_rate=rate, bias_correction=True)
        case "adamw":
            return optim.AdamW(learning_rate=rate, weight_decay=decay, bias_correction=True)
        case "sgd":
            return optim.SGD(learning_rate=rate, weight_decay=decay)
        case "adafactor":
            return optim.Adafactor(
                learning_rate=rate,
                weight_decay=decay,
                relative_step=False,
                scale_parameter=False,
            )
        case "muon":
            return optim.Muon(learning_rate=rate, weight_decay=decay)


def learning_rate(settings: Train, step: int, total_steps: int) -> float:
    """Rate of step `step` (from 1): linear up to warmup_steps, then by the schedule.

    linear and cosine reach final_learning_rate at the last step (Loshchilov and Hutter, 2017,
    equation 5, for the cosine without restarts).
    """
    peak, final = settings.learning_rate, settings.final_learning_rate
    if step <= settings.warmup_steps:
        return peak * step / settings.warmup_steps
    if settings.schedule == "constant":
        return peak
    done = (step - settings.warmup_steps) / max(1, total_steps - settings.warmup_steps)
    if settings.schedule == "linear":
        return peak + (final - peak) * done
    return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * done))


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the rate for the next update; it is part of the optimizer's state."""
    optimizer.learning_rate = mx.array(rate, mx.float32)
