"""A prefix computed once gives what it gives when every row has its own: loss and gradient."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from farense_worker.data import batching, shared_prefix
from farense_worker.data.batching import MicroBatch
from farense_worker.data.examples import Examples
from farense_worker.model import dropout, loss, prefix_cache, split_forward
from farense_worker.model.loss import LabelLoss
from mlx.utils import tree_flatten
from mlx_lm.tuner.utils import linear_to_lora_layers

from tests.worker.model.test_loss import distance
from tests.worker.model.test_split_forward import KINDS, build

PREFIX = 21  # longer than the sliding window of these models
# With a state in place of keys, or beside them.
STATES: dict[str, dict[str, Any]] = {
    "mamba2": {
        "state_size": 16,
        "num_heads": 8,
        "head_dim": 16,
        "conv_kernel": 4,
        "n_groups": 1,
        "use_bias": False,
        "use_conv_bias": True,
        "time_step_rank": 4,
        "time_step_limit": [0.0, 1e9],
    },
    "qwen3_next": {
        "linear_num_value_heads": 4,
        "linear_num_key_heads": 2,
        "num_experts": 4,
        "linear_key_head_dim": 16,
        "linear_value_head_dim": 16,
        "mlp_only_layers": [],
        "linear_conv_kernel_dim": 4,
        "decoder_sparse_step": 1,
        "full_attention_interval": 2,
        "shared_expert_intermediate_size": 32,
        "moe_intermediate_size": 32,
    },
}


def examples(*, masked: bool) -> Examples:
    """Five rows that begin alike, of which the prefix has no label or nothing but labels."""
    rng = np.random.default_rng(0)
    alike = rng.integers(1, 280, PREFIX)
    rows = [np.concatenate([alike, rng.integers(1, 280, n)]) for n in (9, 12, 2, 30, 12)]
    first = PREFIX + 1 if masked else 1
    return Examples(
        tokens=np.concatenate(rows).astype(np.int32),
        bounds=np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64),
        is_label=np.concatenate([np.arange(len(row)) >= first for row in rows]),
        truncated=0,
    )


def adapted(kind: str, **config: Any) -> nn.Module:
    network = build(kind, **config)
    network.freeze()
    keys = {name for name, module in network.layers[-1].named_modules() if linear(module)}
    settings = {"rank": 4, "scale": 2.0, "dropout": 0.0, "keys": keys}
    linear_to_lora_layers(network, 3, settings)
    trained = tree_flatten(network.trainable_parameters())
    changed = [(name, mx.random.normal(value.shape) * 0.1) for name, value in trained]
    network.load_weights(changed, strict=False)
    network.train()
    return network


def linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear)


def given(batch: MicroBatch, trunk: Any = None) -> list[Any]:
    found = [mx.array(each) for each in batch.arrays]
    if batch.prefix is None:
        return [*found, trunk, None]
    before, after = (None, None) if trunk is None else (trunk[:1, :PREFIX], trunk[:, PREFIX:])
    tokens, positions = mx.array(batch.prefix.tokens), mx.array(batch.prefix.positions)
    return [*found, after, (tokens, positions, before)]


def both(network: nn.Module, data: Examples, start: int = 0, **how: bool) -> float:
    """How far loss and gradient are apart, relative; the rows as they are and behind a prefix."""
    parts = split_forward.find(network)
    assert parts is not None
    function = loss.loss_and_gradient(network, LabelLoss(network, parts, start), compiled=False)
    plain = batching.collate(data, range(5))
    split = batching.collate(data, range(5), prefix=PREFIX, **how)
    assert plain.label_tokens == split.label_tokens == split.mask.sum()
    entering = parts.trunk(mx.array(plain.inputs), None, 0, start) if start else None
    width = PREFIX + split.inputs.shape[1]
    padded = None if entering is None else mx.pad(entering, [(0, 0), (0, width), (0, 0)])[:, :width]
    one, gradient = function(mx.array(1.0), *given(plain, entering))
    other, shared = function(mx.array(1.0), *given(split, padded))
    assert loss.scalar(other) == pytest.approx(loss.scalar(one), rel=1e-5)
    return distance(dict(tree_flatten(shared)), dict(tree_flatten(gradient)))


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("kind", [*KINDS, *STATES])
def test_loss_and_gradient_are_the_same(kind: str, masked: bool) -> None:
    network = adapted(kind, **STATES.get(kind, {}))
    assert both(network, examples(masked=masked), few_shapes=not masked) < 1e-5


@pytest.mark.parametrize("kind", ["llama", "gemma3_text", "qwen3_next"])
def test_behind_layers_that_are_stored(kind: str) -> None:
    network = adapted(kind, **STATES.get(kind, {}))
    assert both(network, examples(masked=True), start=2) < 1e-5


@pytest.mark.parametrize("kind", ["llama", "gemma2", "gemma3_text", "qwen3_next"])
def test_with_layers_computed_again(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = adapted(kind, **STATES.get(kind, {}))
    for layer_type in {type(layer) for layer in network.layers}:
        monkeypatch.setattr(layer_type, "__call__", layer_type.__call__)
    dropout.wrap_layers(network, checkpointing=True)
    assert both(network, examples(masked=True)) < 1e-5


def test_a_window_is_known() -> None:
    assert prefix_cache.window(build("gemma3_text")) == 8
    assert prefix_cache.window(build("llama")) == float("inf")


def test_the_prefix_is_found() -> None:
    found = shared_prefix.find(examples(masked=True), 4)
    assert found.lengths == (PREFIX,)
    assert list(found.of_row) == [0] * 5
