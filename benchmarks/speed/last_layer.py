"""What it brings to compute the last layer's queries and feed-forward at label positions alone.

    python benchmarks/speed/last_layer.py [WIDTH] [SHARE OF LABELS]        48 0.5 without

A trial, not what the trainer does: the last layer gives keys and values of all positions to a
cache, and is called again on the label positions of each row, with a mask that is an array and an
offset for each row. Four of eight layers are trained, 256 wide, 8 rows; the layers
below are stored. Prints losses, how far the gradients are apart, and processor time both ways.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from farense_worker.model import loss, split_forward
from farense_worker.model.prefix_cache import Keys
from farense_worker.model.split_forward import Anatomy, twin
from mlx.utils import tree_flatten, tree_map
from mlx_lm.models import llama
from mlx_lm.tuner.utils import linear_to_lora_layers

from farense_tui.engine.verify import speed

_LAYERS, _TRAINED, _ROWS, _VOCABULARY, _TIMES = 8, 4, 8, 509, 9


class _Given:
    """A cache that gives these keys and values, whatever is put into it."""

    def __init__(self, keys: mx.array, values: mx.array, offset: mx.array) -> None:
        self.keys, self.values, self.offset = keys, values, offset

    def update_and_fetch(self, _keys: mx.array, _values: mx.array) -> tuple[mx.array, mx.array]:
        return self.keys, self.values


def main() -> None:
    """Compute both ways and print."""
    width = int(sys.argv[1]) if len(sys.argv) > 1 else 48
    share = float(sys.argv[2]) if len(sys.argv) > 2 else 0.5
    model = _model()
    parts = split_forward.find(model)
    assert parts is not None
    inputs = mx.random.randint(0, _VOCABULARY, (_ROWS, width))
    counts = width * share * np.random.default_rng(0).uniform(0.6, 1.4, _ROWS)
    labels = np.clip(counts.astype(int), 2, width)
    longest = min(width, int(-(-labels.max() // 8) * 8))
    first = np.minimum(width - labels, width - longest)
    at = [row * width + np.arange(width - n, width) for row, n in enumerate(labels)]
    near = [a - row * width - first[row] + row * longest for row, a in enumerate(at)]
    targets = mx.random.randint(0, _VOCABULARY, (int(labels.sum()),))
    below = parts.trunk(inputs, None, 0, _LAYERS - _TRAINED)
    offset = mx.array(first.astype(np.int32))
    chosen = offset[:, None] + mx.arange(longest)[None]
    cut = _with_last(parts, chosen, offset, width)

    def of(anatomy: Anatomy, places: list[Any]) -> Callable[[Any], mx.array]:
        positions = mx.array(np.concatenate(places).astype(np.int32))

        def value(_model: Any) -> mx.array:
            hidden = anatomy.top(inputs, below, _LAYERS - _TRAINED)
            logits = parts.head(hidden.reshape(-1, hidden.shape[-1])[positions][None])[0]
            return nn.losses.cross_entropy(logits, targets).mean()

        return value

    ways = [nn.value_and_grad(model, of(parts, at)), nn.value_and_grad(model, of(cut, near))]
    (one, plain), (other, there) = (way(model) for way in ways)
    flat, its = dict(tree_flatten(plain)), dict(tree_flatten(there))
    far = loss.norm({name: value - its[name] for name, value in flat.items()})
    print(f"{labels.sum()} of {_ROWS * width} positions are labels")
    print(f"loss {one.item():.6f} and {other.item():.6f}, gradients apart by", end=" ")
    print(f"{loss.scalar(far / loss.norm(flat)):.0e}")
    for _ in range(2):
        whole, part = (_seconds(way, model) for way in ways)
        print(f"all positions {whole:.3f} s, label positions {part:.3f} s: {whole / part:.2f}x")


def _model() -> nn.Module:
    mx.random.seed(1)
    model: nn.Module = llama.Model(
        llama.ModelArgs(
            model_type="llama",
            hidden_size=256,
            num_hidden_layers=_LAYERS,
            intermediate_size=768,
            num_attention_heads=8,
            num_key_value_heads=4,
            rms_norm_eps=1e-5,
            vocab_size=_VOCABULARY,
        )
    )
    model.freeze()
    keys = speed.full_names()
    settings = {"rank": 8, "scale": 16.0, "dropout": 0.0, "keys": keys}
    linear_to_lora_layers(model, _TRAINED, settings)
    grown = tree_map(lambda w: w + 0.02 * mx.random.normal(w.shape), model.trainable_parameters())
    model.update(grown)
    mx.eval(model.parameters())
    model.train()
    return model


def _with_last(parts: Anatomy, chosen: mx.array, offset: mx.array, width: int) -> Anatomy:
    last = parts.layers[-1]
    mask = (chosen[:, :, None] >= mx.arange(width)[None, None])[:, None]

    def call(hidden: mx.array, given: Any = None, *_args: Any, **_kwargs: Any) -> mx.array:
        keys = Keys()
        last(hidden, given, keys)
        own = mx.take_along_axis(hidden, chosen[..., None], axis=1)
        out: mx.array = last(own, mask, _Given(keys.state[0], keys.state[1], offset))
        return out

    layers = [*parts.layers[:-1], twin(last, call)]
    inner = twin(parts.inner, children={parts.key: layers})
    return Anatomy(parts.model, parts.path, inner, parts.key)


def _seconds(way: Callable[[Any], Any], model: nn.Module) -> float:
    taken = []
    for _ in range(_TIMES):
        began = time.process_time()
        mx.eval(way(model))
        taken.append(time.process_time() - began)
    return sorted(taken)[_TIMES // 2]


if __name__ == "__main__":
    main()
