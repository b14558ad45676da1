"""A run while it trains: what the loop, its savings and its validations work with."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from farense_worker.data.batching import MicroBatch
from farense_worker.data.prepare import Examples
from farense_worker.data.shared_prefix import Shared
from farense_worker.loop import memory, trunk_cache
from farense_worker.loop.activations import Trunk
from farense_worker.loop.checkpoint import TrainingState
from farense_worker.loop.custody import Custody
from farense_worker.loop.distributed import Ranks
from farense_worker.loop.master_weights import Optimizer
from farense_worker.loop.shares import Shares
from farense_worker.model import loss, model
from farense_worker.model.split_forward import Anatomy
from farense_worker.process.output import Output
from farense_worker.process.signals import Control
from farense_worker.protocol import own_questions, system_prompt
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages import events
from farense_worker.protocol.plan import steps
from farense_worker.protocol.plan.cutting import padded
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Config


@dataclass
class Run:
    """What the training works with. `state` is all of it that changes besides the weights."""

    folder: RunFolder
    config: Config
    output: Output
    control: Control
    custody: Custody
    ranks: Ranks
    load_tokenizer: Callable[[], Any]
    path: Path  # of the model
    train: Examples
    valid: Examples | None
    model: nn.Module
    anatomy: Anatomy | None  # None: a class that does not come apart
    trunk: Trunk | None  # None: all layers are computed
    shared: dict[str, Shared]  # by split: what rows begin with alike, computed once
    size: model.Size
    adapter_config: dict[str, Any]
    optimizer: Optimizer
    state: TrainingState
    guard: memory.Guard
    planned: int  # tokens, padding included, that go through at once by the plan
    compiled: bool = field(init=False)
    shapes: loss.ByShape = field(init=False)  # that were compiled, by this process
    label_loss: loss.LabelLoss = field(init=False)
    shares: Shares = field(init=False)
    unsaved: bool = False
    saved_at: float = field(default_factory=time.perf_counter)  # by `worked`
    peak_memory: int = 0  # of MLX, in bytes
    came_and_went: int = 0  # the most in a step, in bytes: what MLX keeps for the next one
    owes_samples: bool = False  # for which there was no memory
    short: FarenseError | None = None  # of memory on this rank, or of its own run folder
    waited: float = 0.0  # seconds: paused, or for a disk with space
    starved: int = 0  # steps in a row after which the machine had too little memory free
    budget: int = field(init=False)  # the same as things are: memory may have run short
    per_epoch: int = field(init=False)
    total_steps: int = field(init=False)

    def __post_init__(self) -> None:
        self.budget = self.planned
        self.shapes = loss.ByShape(steps.MOST_SHAPES, functools.partial(tell_shapes, self.output))
        self.compiled = steps.compiled(self.config, gpu=model.on_gpu())
        self.per_epoch = steps.per_epoch(len(self.train), self.config.effective_batch)
        self.total_steps = self.per_epoch * self.config.train.epochs

    def worked(self) -> float:
        """Seconds on a clock that stands while the run waits."""
        return time.perf_counter() - self.waited

    @property
    def least(self) -> int:
        """Tokens of the longest row, padding included: less cannot go through at once."""
        return padded(int(self.train.lengths.max()) - 1)

    def arrays(self, split: str, batch: MicroBatch) -> list[Any]:
        """What the loss of a micro-batch is called with."""
        if not self.trunk:
            return batch.arguments()
        before = self.trunk.of_prefix(split, batch) if batch.prefix else None
        return batch.arguments(self.trunk.activations(split, batch), before)

    def whole_model(self) -> nn.Module | None:
        """Give a model that can answer; None if what the trunk has let go does not fit now.

        The layers below the trained ones are read again for as long as the answers take.
        """
        if not self.trunk or not self.anatomy:
            return self.model
        start = self.trunk.start
        frozen = model.load(self.path, self.config.model).layers[:start]
        if sum(trunk_cache.nbytes(layer) for layer in frozen) > memory.room(mx, self.config.memory):
            return None
        whole = self.anatomy.with_layers([*frozen, *self.anatomy.layers[start:]])
        whole.eval()
        return whole

    @functools.cached_property
    def system_prompt(self) -> str | None:
        """What the rows of the training set begin with; see protocol/system_prompt.py."""
        return system_prompt.of_training(self.config.data)

    @functools.cached_property
    def prompts(self) -> tuple[str, ...]:
        """What is asked at each validation; see protocol/own_questions.py."""
        return own_questions.prompts(self.config)

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, loaded when it is first asked for: cached data needs none."""
        return self.load_tokenizer()


def tell_shapes(output: Output) -> None:
    """Say that no more shapes are compiled."""
    output.emit(
        events.Notice(
            level="info",
            code="shapes",
            message=_(
                "{n} shapes of micro-batches are compiled, and MLX lets go of none: rarer ones are "
                "computed without"
            ).format(n=steps.MOST_SHAPES),
        )
    )
