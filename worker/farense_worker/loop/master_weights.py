"""Weights trained in 16 bits: float32 copies take the updates, the model gets them rounded.

A step changes a weight by less than half the distance to its neighbour in 16 bits, most of the
time, so added to the rounded weight it would be lost; and the second moment of a gradient, and the
epsilon beside it, are 0 in float16. So weights, moments and update are kept in float32
(Micikevicius et al., 2018, section 3.1). Adapters are float32 already and need none of it.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten, tree_map, tree_unflatten

_MASTER, _INNER = "master", "optimizer"


class MasterWeights:
    """An optimizer around another, used as that is; its state holds the float32 weights too."""

    def __init__(self, inner: optim.Optimizer) -> None:
        """inner: updates the float32 weights."""
        self._inner = inner
        self._master: Any = None

    def init(self, parameters: Any) -> None:
        self._master = _exact(parameters)
        self._inner.init(self._master)

    def update(self, model: nn.Module, gradients: Any) -> None:
        """Apply the gradients to the float32 weights and give the model those, rounded."""
        if self._master is None:  # of a run that was begun without them
            self._master = _exact(model.trainable_parameters())
        self._master = self._inner.apply_gradients(_exact(gradients), self._master)
        kinds = dict(tree_flatten(model.trainable_parameters()))
        rounded = [(name, w.astype(kinds[name].dtype)) for name, w in tree_flatten(self._master)]
        model.load_weights(rounded, strict=False)

    @property
    def state(self) -> dict[str, Any]:
        """All that it takes to go on exactly."""
        return {_MASTER: self._master or {}, _INNER: self._inner.state}

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self._master = state.get(_MASTER) or None
        self._inner.state = state[_INNER] if _INNER in state else _moments(state)

    @property
    def learning_rate(self) -> mx.array:
        """Of the next update."""
        return self._inner.learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: mx.array) -> None:
        self._inner.learning_rate = rate


Optimizer: TypeAlias = optim.Optimizer | MasterWeights


def where_needed(inner: optim.Optimizer, parameters: Any) -> Optimizer:
    """Put float32 weights beside trained ones of 16 bits; otherwise give the optimizer as it is."""
    halves = any(value.dtype.size == 2 for _, value in tree_flatten(parameters))
    return MasterWeights(inner) if halves else inner


def _exact(tree: Any) -> Any:
    """Give a tree in float32, without its empty branches: no file brings those back."""
    return tree_unflatten([(name, v.astype(mx.float32)) for name, v in tree_flatten(tree)])


def _moments(state: dict[str, Any]) -> dict[str, Any]:
    """Take over the state of a run that was begun without float32 weights."""
    exact: dict[str, Any] = tree_map(
        lambda v: v.astype(mx.float32) if v.dtype.size == 2 else v, state
    )
    return exact
