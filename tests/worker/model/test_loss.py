"""The loss and its gradient against the plain definition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from farense_worker.data import batching
from farense_worker.data.batching import MicroBatch
from farense_worker.data.prepare import Examples
from farense_worker.model import loss, split_forward
from farense_worker.model.loss import LabelLoss
from farense_worker.protocol.plan import cutting
from mlx.utils import tree_flatten
from mlx_lm.tuner.utils import linear_to_lora_layers
from mlx_lm.utils import load_model


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
    is_label = np.concatenate([np.arange(size) >= rng.integers(1, size) for size in sizes])
    tokens = rng.integers(1, 280, bounds[-1]).astype(np.int32)
    return Examples(tokens, bounds, is_label, 0)


def step(model: nn.Module, examples: Examples, pieces: list[list[int]]) -> tuple[float, dict]:
    """Loss and gradient of one step over all examples, cut into these pieces."""
    function = loss.loss_and_gradient(
        model, LabelLoss(model, split_forward.find(model)), compiled=False
    )
    micro_batches = [batching.collate(examples, piece) for piece in pieces]
    weight = mx.array(1 / sum(b.label_tokens for b in micro_batches), mx.float32)
    total, value = None, 0.0
    for b in micro_batches:
        share, gradients = function(weight, *arrays(b))
        total = loss.add(total, gradients)
        value += loss.scalar(share)
    return value, dict(tree_flatten(total))


def arrays(batch: MicroBatch) -> list[mx.array]:
    return [mx.array(each) for each in batch.arrays]


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


@pytest.mark.parametrize("size", [1, 64, 100, 256])
def test_the_gradient_does_not_depend_on_the_cut(
    model: nn.Module, examples: Examples, size: int
) -> None:
    whole_value, whole = step(model, examples, [list(range(16))])
    lengths = [int(n) for n in examples.lengths]
    value, cut = step(model, examples, cutting.cut(lengths, size))
    assert value == pytest.approx(whole_value, rel=1e-5)
    assert distance(cut, whole) < 1e-5


def test_padded_labels_change_nothing(model: nn.Module, examples: Examples) -> None:
    rows = range(5)
    plain, padded = (batching.collate(examples, rows, few_shapes=few) for few in (False, True))
    assert len(padded.targets) > len(plain.targets)
    function = loss.loss_and_gradient(
        model, LabelLoss(model, split_forward.find(model)), compiled=False
    )
    (one, g), (other, h) = (function(mx.array(1.0), *arrays(b)) for b in (plain, padded))
    assert loss.scalar(one) == pytest.approx(loss.scalar(other), rel=1e-6)
    assert distance(dict(tree_flatten(g)), dict(tree_flatten(h))) < 1e-6


class Head(nn.Module):
    """A head of any kind: tied, quantised, softcapped, scaled."""

    def __init__(self, kind: str, vocabulary: int, hidden: int) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden, vocabulary, bias=kind == "bias")
        self.embedding = nn.Embedding(vocabulary, hidden)
        self.kind = kind
        if kind in ("quantised", "tied quantised"):
            nn.quantize(self, group_size=32, bits=4)

    def __call__(self, hidden: mx.array) -> mx.array:
        tied = self.kind.startswith("tied")
        logits = self.embedding.as_linear(hidden) if tied else self.linear(hidden)
        if self.kind == "softcap":
            return mx.tanh(logits / 3.0) * 3.0
        return logits * 0.1 if self.kind == "scaled" else logits


HEADS = ["plain", "bias", "tied", "quantised", "tied quantised", "softcap", "scaled"]


@pytest.mark.parametrize("kind", HEADS)
def test_the_loss_without_logits_is_the_loss(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "_CHUNK_BYTES", 1)  # so that there are several chunks
    mx.random.seed(3)
    head = Head(kind, vocabulary=320, hidden=64)
    hidden = mx.random.normal((150, 64)) * 2
    targets = mx.random.randint(0, 320, (150,))
    mask = (mx.random.uniform(shape=(150,)) > 0.3).astype(mx.float32)

    def plain(hidden: mx.array) -> mx.array:
        return (nn.losses.cross_entropy(head(hidden[None])[0], targets) * mask).sum()

    def chunked(hidden: mx.array) -> mx.array:
        return loss.head_loss(head, hidden, targets, mask) * 1.0

    (a, g), (b, h) = (mx.value_and_grad(function)(hidden) for function in (plain, chunked))
    assert loss.scalar(a) == pytest.approx(loss.scalar(b), rel=1e-5)
    assert distance({"": g}, {"": h}) < 1e-5
    no_gradient = loss.head_loss(head, hidden, targets, mask, gradient=False)
    assert loss.scalar(no_gradient) == loss.scalar(b)


def test_only_a_chunk_of_logits_is_alive_at_once() -> None:
    head = Head("plain", vocabulary=50_000, hidden=64)
    hidden = mx.random.normal((2048, 64))
    targets = mx.zeros((2048,), mx.int32)
    mask = mx.ones((2048,))
    mx.eval(hidden, head.parameters())

    def peak(function: Any) -> int:
        mx.clear_cache()
        mx.reset_peak_memory()
        before = mx.get_active_memory()
        mx.eval(mx.value_and_grad(function)(hidden))
        return mx.get_peak_memory() - before

    def plain(hidden: mx.array) -> mx.array:
        return (nn.losses.cross_entropy(head(hidden), targets) * mask).sum()

    def chunked(hidden: mx.array) -> mx.array:
        return loss.head_loss(head, hidden, targets, mask)

    logits = 4 * 2048 * 50_000
    assert peak(plain) > 2 * logits
    assert peak(chunked) < logits


def test_the_norm_is_that_of_all_gradients(model: nn.Module, examples: Examples) -> None:
    _, gradients = step(model, examples, [list(range(16))])
    flat = np.concatenate([np.array(g).ravel() for g in gradients.values()])
    assert loss.scalar(loss.norm(gradients)) == pytest.approx(np.linalg.norm(flat), rel=1e-5)


def test_so_many_shapes_are_compiled_and_the_others_are_not() -> None:
    told: list[int] = []
    used: list[str] = []
    by_shape = loss.ByShape(2, lambda: told.append(len(used)))
    function = by_shape.choose(
        lambda *_: used.append("compiled"),
        lambda *_: used.append("eager"),
    )
    for width in (8, 16, 8, 24, 16, 32, 24):
        function(mx.zeros((1, width)), mx.zeros(4))
    assert used == ["compiled"] * 3 + ["eager", "compiled", "eager", "eager"]
    assert told == [3]
