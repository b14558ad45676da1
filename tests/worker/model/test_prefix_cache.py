"""A prefix computed once gives what it gives when every row has its own: loss and gradient."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from farense_worker.data import batching, shared_prefix
from farense_worker.data.examples import Examples
from farense_worker.loop.shares import Shares
from farense_worker.model import dropout, loss, prefix_cache, split_forward
from farense_worker.model.loss import LabelLoss
from farense_worker.protocol.plan.prefix import Piece
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


WHOLE = (Piece((0, 1, 2, 3, 4), PREFIX),)
# The prefix goes ahead of two micro-batches, and with the last one back.
HANDED = (
    Piece((0, 2), PREFIX, handed=True),
    Piece((3,), PREFIX, handed=True),
    Piece((1, 4), PREFIX, before=(0, 2, 3)),
)


def computed(
    network: nn.Module, data: Examples, pieces: tuple[Piece, ...], start: int = 0, **how: bool
) -> tuple[float, dict[str, Any]]:
    """Loss and gradient of these pieces, as a step of the training takes them."""
    parts = split_forward.find(network)
    assert parts is not None
    label_loss = LabelLoss(network, parts, start)
    make = (loss.loss_and_gradient, loss.behind_and_gradient)
    alone, behind = (each(network, label_loss, how.get("compiled", False)) for each in make)
    shares = Shares(label_loss, alone, behind)  # type: ignore[arg-type]
    total, value, labels, without = None, 0.0, 0.0, 0.0
    for piece in pieces:
        batch = batching.collate(data, piece, few_shapes=how.get("few_shapes", False))
        given = batch.arguments()
        if start:
            rows = mx.array(batching.collate(data, piece.rows).inputs)
            entering = parts.trunk(rows, None, 0, start)
            width = piece.prefix + batch.inputs.shape[1]
            padded = mx.pad(entering, [(0, 0), (0, width), (0, 0)])[:, piece.prefix : width]
            given = batch.arguments(padded, entering[:1, : piece.prefix])
        share, gradients = shares.gradient(mx.array(1.0), batch, given)
        total = loss.add(total, gradients)
        value += loss.scalar(share)
        labels += batch.label_tokens
        assert batch.label_tokens == batch.mask.sum()
        without += Shares(label_loss).value(batch, given)
    assert labels == data.labels.sum()
    assert without == pytest.approx(value, rel=1e-5)
    return value, dict(tree_flatten(total))


def both(network: nn.Module, data: Examples, start: int = 0, **how: bool) -> float:
    """How far loss and gradient are apart, relative; the rows as they are and behind a prefix."""
    one, gradient = computed(network, data, (Piece((0, 1, 2, 3, 4)),), start)
    apart = []
    for pieces in (WHOLE, HANDED):
        other, shared = computed(network, data, pieces, start, **how)
        assert other == pytest.approx(one, rel=1e-5)
        apart.append(distance(shared, gradient))
    return max(apart)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("kind", [*KINDS, *STATES])
def test_loss_and_gradient_are_the_same(kind: str, masked: bool) -> None:
    network = adapted(kind, **STATES.get(kind, {}))
    assert both(network, examples(masked=masked), few_shapes=not masked) < 1e-5


def test_compiled() -> None:
    network = adapted("llama")
    assert both(network, examples(masked=False), few_shapes=True, compiled=True) < 1e-5


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
