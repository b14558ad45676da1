"""Updates as their definitions have them, in double precision and by hand."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from farense_worker.loop import optimizer
from farense_worker.protocol.settings.profile import Train


@pytest.mark.parametrize("decay", [0.0, 0.01, 1.0])
def test_sgd_adds_the_decay_to_the_gradient_before_the_rate(decay: float) -> None:
    """As torch.optim.SGD without momentum: w - rate (g + decay w)."""
    dice = np.random.default_rng(0)
    weights = dice.normal(size=(8, 8))
    made = optimizer.make(Train(optimizer="sgd", weight_decay=decay))
    own = {"w": mx.array(weights.astype(np.float32))}
    made.init(own)
    for rate in (0.2, 0.05, 0.2):
        gradient = dice.normal(size=(8, 8))
        optimizer.set_learning_rate(made, rate)
        own = made.apply_gradients({"w": mx.array(gradient.astype(np.float32))}, own)
        weights = weights - rate * (gradient + decay * weights)
    assert np.allclose(np.array(own["w"]), weights, rtol=0, atol=1e-6)
