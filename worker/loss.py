"""The loss: cross entropy over label tokens, and its gradient, in shares that add up exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_map

Gradients = dict[str, Any]
LossAndGradient = Callable[[mx.array, mx.array, mx.array, mx.array], tuple[mx.array, Gradients]]


def label_loss(model: nn.Module, inputs: mx.array, targets: mx.array, mask: mx.array) -> mx.array:
    """Sum of -log p(target) over the label tokens, in float32; a scalar.

    inputs, targets: (rows, width) int32; mask: (rows, width) float32, 1.0 on labels.
    """
    logits = model(inputs).astype(mx.float32)
    return (nn.losses.cross_entropy(logits, targets) * mask).sum()


def loss_and_gradient(model: nn.Module, compiled: bool) -> LossAndGradient:
    """Make the function that gives a micro-batch's share of a step's loss and gradient.

    Its last argument is 1 / label tokens of the whole step, so shares are simply added: the sum
    is the token mean over the effective batch however that was cut.
    """

    def share(inputs: mx.array, targets: mx.array, mask: mx.array, weight: mx.array) -> mx.array:
        return label_loss(model, inputs, targets, mask) * weight

    function = nn.value_and_grad(model, share)
    if not compiled:
        return function
    # The model is an output too: without it, it would keep the tracers of the compilation.
    state = [model.state, mx.random.state]
    return mx.compile(function, inputs=state, outputs=state)


def add(total: Gradients | None, more: Gradients) -> Gradients:
    """Add two gradients."""
    return more if total is None else tree_map(mx.add, total, more)


def zeros(model: nn.Module) -> Gradients:
    """Make a gradient of zeros."""
    return tree_map(mx.zeros_like, model.trainable_parameters())


def norm(gradients: Gradients) -> mx.array:
    """L2 norm over all of a gradient, in float32; a scalar."""
    squares = [g.astype(mx.float32).square().sum() for _, g in tree_flatten(gradients)]
    return mx.sqrt(sum(squares[1:], squares[0]))


def clip(gradients: Gradients, length: float, most: float) -> Gradients:
    """Scale a gradient of this length down to at most `most`; 0 leaves it as it is.

    Pascanu, Mikolov and Bengio (2013), algorithm 1.
    """
    if not most or length <= most:
        return gradients
    return tree_map(lambda g: g * (most / length), gradients)


def scalar(value: mx.array) -> float:
    """Evaluate a scalar and give it with all its digits."""
    number: Any = value.item()
    return float(number)
