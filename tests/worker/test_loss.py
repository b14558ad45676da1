"""The loss and its gradient against the plain definition."""

from __future__ import annotations

from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_flatten
from mlx_lm.tuner.utils import linear_to_lora_layers
from mlx_lm.utils import load_model

from worker import batching, loss
from worker.data import Examples


@pytest.fixture(scope="module")
def model(micro: Path) -> nn.Module:
    mx.random.seed(1)
    network, _ = load_model(micro)
    network.freeze()
    keys = ["self_attn.q_proj", "mlp.up_proj"]
    linear_to_lora_layers(network, 2, {"rank": 4, "scale": 2.0, "dropout": 0.0, "keys": keys})
    # lora_b is zero at the start, which would leave lora_a without a gradient
    network.load_weights(
        [
            (name, mx.random.normal(value.shape) * 0.1)
            for name, value in tree_flatten(network.trainable_parameters())
        ],
        strict=False,
    )
    return network


@pytest.fixture(scope="module")
def examples() -> Examples:
    rng = np.random.default_rng(0)
    sizes = rng.integers(4, 60, 16)
    bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    first = np.array([rng.integers(1, size) for size in sizes], np.int32)
    tokens = rng.integers(1, 280, bounds[-1]).astype(np.int32)
    return Examples(tokens, bounds, first, 0)


def step(model: nn.Module, examples: Examples, pieces: list[list[int]]) -> tuple[float, dict]:
    """Loss and gradient of one step over all examples, cut into these pieces."""
    function = loss.loss_and_gradient(model, compiled=False)
    micro_batches = [batching.collate(examples, piece) for piece in pieces]
    weight = mx.array(1 / sum(b.label_tokens for b in micro_batches), mx.float32)
    total, value = None, 0.0
    for b in micro_batches:
        share, gradients = function(
            mx.array(b.inputs), mx.array(b.targets), mx.array(b.mask), weight
        )
        total = loss.add(total, gradients)
        value += loss.scalar(share)
    return value, dict(tree_flatten(total))


def distance(a: dict, b: dict) -> float:
    """Relative L2 distance of two gradients."""
    far = sum(((a[k] - b[k]) ** 2).sum().item() for k in a)
    return float((far / sum((b[k] ** 2).sum().item() for k in b)) ** 0.5)


def test_the_loss_is_the_token_mean(model: nn.Module, examples: Examples) -> None:
    value, _ = step(model, examples, [list(range(len(examples)))])
    total, count = 0.0, 0
    for row in range(len(examples)):
        tokens = examples.example(row)
        logits = model(mx.array(tokens[None, :-1]))[0]
        logp = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        for at in range(examples.first_label[row], len(tokens)):
            total -= logp[at - 1, int(tokens[at])].item()
            count += 1
    assert value == pytest.approx(total / count, rel=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_the_gradient_does_not_depend_on_the_cut(
    model: nn.Module, examples: Examples, size: int
) -> None:
    whole_value, whole = step(model, examples, [list(range(16))])
    lengths = [int(n) for n in examples.lengths]
    value, cut = step(model, examples, batching.cut(lengths, size))
    assert value == pytest.approx(whole_value, rel=1e-5)
    assert distance(cut, whole) < 1e-5


def test_the_norm_is_that_of_all_gradients(model: nn.Module, examples: Examples) -> None:
    _, gradients = step(model, examples, [list(range(16))])
    flat = np.concatenate([np.array(g).ravel() for g in gradients.values()])
    assert loss.scalar(loss.norm(gradients)) == pytest.approx(np.linalg.norm(flat), rel=1e-5)
