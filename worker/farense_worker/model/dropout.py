"""Dropout that draws the same mask when a layer is computed again.

`mx.checkpoint` calls a layer a second time in the backward pass. nn.Dropout takes the next random
numbers then, so the gradient is that of another mask than the loss. Here the layer draws one key
before it is computed, and its dropouts take theirs from that, both times. It is done so without
gradient checkpointing too, so that switching it changes memory and time, never the curve.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_unflatten

from farense_worker.model import prefix_cache

_keys: Iterator[mx.array] = iter(())


class LayerDropout(nn.Module):
    """Dropout with keep probability 1 - p, within a layer that `wrap_layers` has wrapped."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def __call__(self, x: mx.array) -> mx.array:
        """Drop elements of x and scale the others by 1 / (1 - p), while training."""
        if not self.training:
            return x
        keep = 1.0 - self.p
        return mx.where(mx.random.bernoulli(keep, x.shape, key=next(_keys)), x / keep, 0)


def replace(model: nn.Module, p: float) -> None:
    """Put a LayerDropout in place of every nn.Dropout that LoRA has brought."""
    if p > 0:
        found = [
            (name, LayerDropout(p))
            for name, module in model.named_modules()
            if isinstance(module, nn.Dropout)
        ]
        model.update_modules(tree_unflatten(found))


def wrap_layers(model: nn.Module, *, checkpointing: bool) -> None:
    """Let each layer draw its dropouts' keys, and compute it again in the backward pass.

    As mlx_lm's grad_checkpoint, but only in training mode: of caches, it takes those of a prefix.
    """
    trained = [layer for layer in model.layers if layer.trainable_parameters()]
    for layer_type in {type(layer) for layer in trained}:
        call = layer_type.__call__

        def wrapped(layer: Any, *args: Any, call: Any = call, **kwargs: Any) -> Any:
            if not layer.training or not layer.trainable_parameters():
                return call(layer, *args, **kwargs)
            dropouts = sum(isinstance(module, LayerDropout) for module in layer.modules())
            cache = prefix_cache.among((*args, *kwargs.values()))
            before = prefix_cache.held(cache)
            as_it_was = prefix_cache.copied(cache, before)

            def inner(parameters: Any, key: mx.array, held: Any, *now: Any, **named: Any) -> Any:
                global _keys
                if dropouts:
                    # mx.checkpoint asks for the gradient of all that goes in; keys have none
                    _keys = iter(mx.random.split(mx.stop_gradient(key), dropouts))
                layer.update(parameters)
                own = prefix_cache.copied(as_it_was, held)
                now = tuple(own if a is cache else b for a, b in zip(args, now, strict=True))
                named = {name: own if kwargs[name] is cache else named[name] for name in named}
                return call(layer, *now, **named), prefix_cache.held(own)

            function = mx.checkpoint(inner) if checkpointing else inner
            key = mx.random.randint(0, 2**31 - 1, (2,)) if dropouts else mx.array(0)
            given = (None if each is cache else each for each in args)
            named = {name: None if each is cache else each for name, each in kwargs.items()}
            trained, key = layer.trainable_parameters(), key.astype(mx.uint32)
            out, held = function(trained, key, before, *given, **named)
            layer.update(trained)  # which a prefix and what follows it both go through
            prefix_cache.hold(cache, held)
            return out

        layer_type.__call__ = wrapped
