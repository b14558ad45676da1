"""The optimizer and its learning rate."""

from __future__ import annotations

import mlx.core as mx
import mlx.optimizers as optim

from worker.protocol.profile import Train


def make(settings: Train) -> optim.Optimizer:
    """Adam with bias correction, as in Kingma and Ba (2015), algorithm 1."""
    return optim.Adam(learning_rate=settings.learning_rate, bias_correction=True)


def learning_rate(settings: Train, step: int) -> float:
    """Rate of step `step` (from 1): linear up to warmup_steps, then constant."""
    if step >= settings.warmup_steps:
        return settings.learning_rate
    return settings.learning_rate * step / settings.warmup_steps


def set_learning_rate(optimizer: optim.Optimizer, rate: float) -> None:
    """Set the rate for the next update; it is part of the optimizer's state."""
    optimizer.learning_rate = mx.array(rate, mx.float32)
