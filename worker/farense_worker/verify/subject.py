"""What is computed with: a model with an adapter that has learnt something, and rows."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import msgspec
import numpy as np
from mlx.utils import tree_flatten

from farense_worker.data import batching, prepare
from farense_worker.data.examples import Examples
from farense_worker.loop import memory
from farense_worker.model import inference, loss, model, split_forward, tokenizer, trainable
from farense_worker.model.split_forward import Anatomy
from farense_worker.process.output import Output
from farense_worker.protocol.settings.profile import Config, Profile, Run

_SPREAD = 0.02  # of the adapter's weights: as it begins, half of them are zero

Gradient = dict[str, mx.array]


@dataclass(frozen=True)
class Subject:
    """A model in training, the rows of one step, and which of them.

    parts: None for a class that does not come apart. name: of the model's folder.
    """

    network: nn.Module
    parts: Anatomy | None
    examples: Examples
    rows: tuple[int, ...]
    folder: Path

    @property
    def weight(self) -> mx.array:
        """What a share of the step's loss is multiplied with."""
        return mx.array(1 / int(self.examples.labels[list(self.rows)].sum()), mx.float32)

    def plain(self) -> loss.LabelLoss:
        """The loss of all logits, computed as the class itself does."""
        return loss.LabelLoss(self.network, None)

    def ours(self, start: int = 0, chunk: int = 0) -> loss.LabelLoss:
        """The loss as it is trained with; see LabelLoss."""
        return loss.LabelLoss(self.network, self.parts, start, chunk)

    def of_step(
        self,
        label_loss: loss.LabelLoss,
        at_once: int = 0,
        *,
        compiled: bool = False,
        more: Callable[[list[mx.array]], list[mx.array]] = list,
    ) -> tuple[float, Gradient]:
        """Loss and gradient of the step. at_once: rows that go through together, 0 for all.

        more: adds to what the loss is called with.
        """
        function = loss.loss_and_gradient(self.network, label_loss, compiled)
        total, value = None, 0.0
        size = at_once or len(self.rows)
        for start in range(0, len(self.rows), size):
            rows = self.rows[start : start + size]
            batch = batching.collate(self.examples, rows, few_shapes=compiled)
            share, gradients = function(self.weight, *more([mx.array(a) for a in batch.arrays]))
            total = loss.add(total, gradients)
            mx.eval(share, total)
            value += loss.scalar(share)
        return value, dict(tree_flatten(total))

    def with_rows(self, rows: Sequence[int]) -> Subject:
        return replace(self, rows=tuple(rows))


def make(profile: Profile, rows: int) -> Subject:
    """Load the model as the training does, with an adapter of random weights."""
    config = Config(**msgspec.structs.asdict(profile), run=Run(name="verify"))
    memory.apply_limits(mx, config.memory)
    folder = inference.find(config.model)
    network = model.load(folder, config.model)
    mx.random.seed(config.train.seed)
    with tempfile.TemporaryFile() as unheard:
        output = Output(os.dup(unheard.fileno()), Path(tempfile.gettempdir()) / "-")
        examples, *_more = prepare.load(
            config, folder, lambda: tokenizer.load(folder, config.model), output
        )
        trainable.make_trainable(network, config, output)
    network.load_weights(
        [
            (name, (_SPREAD * mx.random.normal(value.shape)).astype(value.dtype))
            for name, value in tree_flatten(network.trainable_parameters())
        ],
        strict=False,
    )
    model.read_weights(network, config.model)
    network.train()
    parts = split_forward.find(network)
    if parts and not split_forward.comes_apart(parts, [1, 2]):
        parts = None
    return Subject(network, parts, examples, _chosen(examples, rows), folder)


def _chosen(examples: Examples, rows: int) -> tuple[int, ...]:
    """Rows of lengths as different as they come, so that padding would show."""
    order = np.argsort(examples.lengths, kind="stable")
    at = np.linspace(0, len(order) - 1, min(rows, len(order))).round().astype(int)
    return tuple(int(order[i]) for i in at)


def distance(one: Gradient, other: Gradient, names: Sequence[str] = ()) -> float:
    """Relative L2 distance of two gradients, of all weights or of these alone."""
    pairs = [(one[name], other[name]) for name in names or other]
    if not pairs:
        raise ValueError("there is nothing to compare")  # not translated: a fault of ours
    far: Any = sum((a - b).astype(mx.float32).square().sum().item() for a, b in pairs)
    size: Any = sum(b.astype(mx.float32).square().sum().item() for _, b in pairs)
    return float((far / size) ** 0.5) if size else float(far > 0)


def apart(one: float, other: float) -> float:
    """Relative difference of two losses."""
    return abs(one - other) / abs(other) if other else float(one != other)
