"""The optimizers."""

from __future__ import annotations

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


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the rate for the next update; it is part of the optimizer's state."""
    optimizer.learning_rate = mx.array(rate, mx.float32)
