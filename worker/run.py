"""Setting the stage: data, model, adapter, optimizer, and what a checkpoint brings back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim

from worker import (
    batching,
    checkpoint,
    data,
    dropout,
    handover,
    loss,
    memory,
    model,
    optimizer,
    recipe,
    versions,
)
from worker.checkpoint import TrainingState
from worker.control import Control
from worker.data import Examples
from worker.output import Output
from worker.protocol import events
from worker.protocol.errors import FarenseError
from worker.protocol.profile import Config, check
from worker.protocol.recipe import of
from worker.protocol.runfolder import RunFolder
from worker.ranks import Ranks


@dataclass
class Run:
    """What the training works with. `state` is all of it that changes besides the weights."""

    folder: RunFolder
    config: Config
    output: Output
    control: Control
    ranks: Ranks
    load_tokenizer: Callable[[], Any]
    train: Examples
    valid: Examples | None
    model: nn.Module
    adapter_config: dict[str, Any]
    optimizer: optim.Optimizer
    state: TrainingState
    guard: memory.Guard
    loss_and_gradient: loss.LossAndGradient = field(init=False)
    unsaved: bool = False
    short: FarenseError | None = None  # of memory, on this rank
    per_epoch: int = field(init=False)
    total_steps: int = field(init=False)

    def __post_init__(self) -> None:
        """Count the steps."""
        self.per_epoch = batching.steps_per_epoch(len(self.train), self.config.effective_batch)
        self.total_steps = self.per_epoch * self.config.train.epochs

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, loaded when it is first asked for: cached data needs none."""
        return self.load_tokenizer()


def set_up(
    folder: RunFolder, config: Config, output: Output, control: Control, ranks: Ranks
) -> Run:
    """Load everything, the cheapest to refuse first, and go back to the newest checkpoint."""
    check(config)
    memory.apply_limits(mx, config.memory)
    path = model.find(config.model, output)

    output.enter("tokenizing")
    load_tokenizer = functools.cache(lambda: model.tokenizer(path, config.model))
    train_set, valid_set = data.load(config, path, load_tokenizer, output)

    output.enter("loading_model")
    network = model.load(path, config.model)
    mx.random.seed(config.train.seed)  # the adapter's first weights
    adapter_config = model.make_trainable(network, config, output)
    if config.model.adapter:
        model.start_from(network, Path(config.model.adapter))
    if config.train.grad_checkpoint or config.lora.dropout > 0:
        dropout.wrap_layers(network, checkpointing=config.train.grad_checkpoint)
    chosen = optimizer.make(config.train)
    chosen.init(network.trainable_parameters())

    run = Run(
        folder=folder,
        config=config,
        output=output,
        control=control,
        ranks=ranks,
        load_tokenizer=load_tokenizer,
        train=train_set,
        valid=valid_set,
        model=network,
        adapter_config=adapter_config,
        optimizer=chosen,
        state=TrainingState(
            data=train_set.digest(),
            model=model.fingerprint(path),
            recipe=of(config),
            random=checkpoint.random_key(),
        ),
        guard=memory.Guard(config.memory, memory.memory_limit(mx)),
    )
    trainable, _, _ = model.count(network)
    if ranks.first:
        checkpoint.check_space(folder, trainable, config.checkpoint.keep)
    go_back(run)
    return run


def go_back(run: Run) -> None:
    """Go back to the newest sound checkpoint, if there is one, and say from where it goes on.

    Every reader of the record drops the steps after that one.
    """
    loaded, damaged = None, list[str]()
    if run.ranks.first:  # the others may not even have the folder
        checkpoint.clean_up(run.folder)
        loaded, damaged = checkpoint.newest(run.folder)
        if loaded is not None:
            checkpoint.catch_up(run.folder, loaded.state)
    loaded = handover.hand_over(run.ranks, loaded, run.state)
    for what in damaged:
        run.output.emit(
            events.Notice(
                level="warning",
                code="checkpoint_damaged",
                message=f"a damaged checkpoint is passed over: {what}",
            )
        )
    if loaded is not None:
        for notice in recipe.compare(loaded.state, run.state):
            run.output.emit(notice)
        checkpoint.restore(run.model, run.optimizer, loaded)
        run.state = recipe.updated(loaded.state, run.state)
    elif run.config.train.rollbacks:
        run.unsaved = True  # the first weights are saved too, to have something to go back to
    run.output.step = run.state.step
    # After the restoring: a compiled function keeps the arrays that it was made with.
    compiled = run.config.train.compile
    run.loss_and_gradient = loss.loss_and_gradient(
        run.model, compiled == "on" or (compiled == "auto" and model.on_gpu())
    )
    announce(run)


def announce(run: Run) -> None:
    """Tell what is about to be trained, and after which step."""
    trainable, total, weights = model.count(run.model)
    valid = run.valid
    run.output.emit(
        events.RunStarted(
            protocol=events.PROTOCOL,
            run=run.folder.name,
            pid=versions.pid(),
            device=model.device(),
            versions=versions.versions(),
            trainable_parameters=trainable,
            total_parameters=total,
            total_steps=run.total_steps,
            resumed_from_step=run.state.step,
            train_examples=len(run.train),
            valid_examples=len(valid) if valid else 0,
            truncated_examples=run.train.truncated + (valid.truncated if valid else 0),
            weights_bytes=weights,
            memory_limit=memory.memory_limit(mx),
            ranks=run.ranks.size,
        )
    )
