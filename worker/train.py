"""The whole training story, to be read downwards.

`train` sets the stage (data, model, adapter, optimizer, what a checkpoint brings back) and then
runs one loop. At its top are the duties that are due after a step: validate, checkpoint, stop.
They depend on the step alone and on what is recorded as done, so a resumed run finds the very
duties that the killed one had left. Below them is one step.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import msgspec
from mlx.utils import tree_flatten

from worker import (
    batching,
    checkpoint,
    data,
    dropout,
    loss,
    memory,
    model,
    optimizer,
    sampling,
    versions,
)
from worker.batching import MicroBatch
from worker.checkpoint import TrainingState
from worker.control import Control
from worker.data import Examples
from worker.output import Output
from worker.protocol import events
from worker.protocol.errors import FarenseError, refused
from worker.protocol.events import wire
from worker.protocol.profile import Config
from worker.protocol.runfolder import RunFolder, disk_error

_PROGRESS_EVERY = 0.5
_DISK_POLL = 5.0
_PAUSE_POLL = 0.1


@dataclass
class Run:
    """What the loop works with. `state` is all of it that changes besides the weights."""

    folder: RunFolder
    config: Config
    output: Output
    control: Control
    tokenizer: Any
    train: Examples
    valid: Examples | None
    model: nn.Module
    adapter_config: dict[str, Any]
    optimizer: optim.Optimizer
    state: TrainingState
    loss_and_gradient: Any
    guard: memory.Guard
    unsaved: bool = False
    per_epoch: int = field(init=False)
    total_steps: int = field(init=False)

    def __post_init__(self) -> None:
        """Count the steps."""
        self.per_epoch = batching.steps_per_epoch(len(self.train), self.config.effective_batch)
        self.total_steps = self.per_epoch * self.config.train.epochs


def train(folder: RunFolder, output: Output, control: Control) -> None:
    """Train the run in `folder` to its end, or until it is told to stop.

    Raises FarenseError for what the user has to know, StopRequested if stopped before step 1.
    """
    config = folder.read_config()
    with control.interruptible():
        run = set_up(folder, config, output, control)

    while True:
        # ---- what is due after step `run.state.step` (0: before the first) --------------------
        step = run.state.step
        last = step == run.total_steps
        if control.pause and not control.stop:
            pause(run)
        improved = False
        if run.valid and run.state.validated_step < step and not control.stop:
            if last or step % config.report.eval_every == 0:
                improved = validate(run, run.valid)
        if control.stop:
            output.enter("stopping")
        due = last or step % config.checkpoint.every == 0 or control.stop
        if step > 0 and (improved or control.save or (due and run.unsaved)):
            save(run, improved)
        if last or control.stop:
            output.emit(events.RunStopped(reason="completed" if last else "stopped", step=step))
            return

        # ---- one step -------------------------------------------------------------------------
        output.enter("training")
        take_step(run)


# ---- before the loop --------------------------------------------------------------------------


def set_up(folder: RunFolder, config: Config, output: Output, control: Control) -> Run:
    """Load everything, the cheapest to refuse first, and restore the newest checkpoint."""
    memory.apply_limits(mx, config.memory)
    path = model.find(config.model, output)

    output.enter("tokenizing")
    tokenizer = model.tokenizer(path, config.model)
    train_set, valid_set = data.load(
        Path(config.data.path),
        tokenizer,
        max_seq_length=config.train.max_seq_length,
        mask_prompt=config.train.mask_prompt,
        output=output,
    )

    output.enter("loading_model")
    network, _ = model.load(path, config.model)
    mx.random.seed(config.train.seed)  # LoRA's first weights, then dropout
    adapter = model.adapter_config(model.add_lora(network, config.lora, output), config)
    if config.train.grad_checkpoint or config.lora.dropout > 0:
        dropout.wrap_layers(network, checkpointing=config.train.grad_checkpoint)
    compiled = config.train.compile == "on" or (config.train.compile == "auto" and model.on_gpu())
    adam = optimizer.make(config.train)
    adam.init(network.trainable_parameters())
    trainable, total, weights = model.count(network)

    run = Run(
        folder=folder,
        config=config,
        output=output,
        control=control,
        tokenizer=tokenizer,
        train=train_set,
        valid=valid_set,
        model=network,
        adapter_config=adapter,
        optimizer=adam,
        state=TrainingState(data=train_set.digest(), random=checkpoint.random_key()),
        loss_and_gradient=None,
        guard=memory.Guard(config.memory, memory.memory_limit(mx)),
    )
    restore(run)
    checkpoint.check_space(folder, trainable, config.checkpoint.keep)
    # After the restoring: a compiled function keeps the arrays that it was made with.
    run.loss_and_gradient = loss.loss_and_gradient(network, compiled)
    output.emit(
        events.RunStarted(
            protocol=events.PROTOCOL,
            run=folder.name,
            pid=versions.pid(),
            device=model.device(),
            versions=versions.versions(),
            trainable_parameters=trainable,
            total_parameters=total,
            total_steps=run.total_steps,
            resumed_from_step=run.state.step,
            train_examples=len(train_set),
            valid_examples=len(valid_set) if valid_set else 0,
            truncated_examples=train_set.truncated + (valid_set.truncated if valid_set else 0),
            weights_bytes=weights,
            memory_limit=memory.memory_limit(mx),
        )
    )
    return run


def restore(run: Run) -> None:
    """Go back to the newest sound checkpoint, if there is one."""
    checkpoint.clean_up(run.folder)
    loaded, damaged = checkpoint.newest(run.folder)
    for what in damaged:
        run.output.emit(
            events.Notice(
                level="warning",
                code="checkpoint_damaged",
                message=f"a damaged checkpoint is passed over: {what}",
            )
        )
    if loaded is None:
        return
    if loaded.state.data != run.state.data:
        raise refused(
            "the data is not what the run was started with",
            f"{run.config.data.path} has changed since the first step",
            "Bring the old data back, or start a new run.",
            kind="data_changed",
        )
    checkpoint.restore(run.model, run.optimizer, loaded)
    run.state = loaded.state
    run.output.step = loaded.state.step


# ---- one step ---------------------------------------------------------------------------------


def take_step(run: Run) -> None:
    """One update over one effective batch: its examples, its gradient, its event."""
    began = time.perf_counter()
    settings = run.config.train
    step = run.state.step + 1
    at = batching.position(step, run.per_epoch)
    rows = batching.draw(at, len(run.train), run.config.effective_batch, settings.seed)
    micro_batches = batching.batches(run.train, rows, settings.batch_size)
    rate = optimizer.learning_rate(settings, step)

    run.model.train()
    value, gradients = accumulate(run, micro_batches)
    norm = loss.scalar(loss.norm(gradients))
    if not (math.isfinite(value) and math.isfinite(norm)):
        raise not_finite(step, value, norm, rate)
    optimizer.set_learning_rate(run.optimizer, rate)
    run.optimizer.update(run.model, gradients)
    mx.eval(run.model.trainable_parameters(), run.optimizer.state)

    seconds = time.perf_counter() - began
    tokens = sum(batch.tokens for batch in micro_batches)
    run.state = msgspec.structs.replace(run.state, step=step, epoch=at.epoch, position=at.index + 1)
    run.unsaved = True
    run.output.step = step
    run.output.emit(
        events.Step(
            step=step,
            epoch=step / run.per_epoch,
            loss=wire(value),
            learning_rate=rate,
            grad_norm=wire(norm),
            tokens=tokens,
            padded_tokens=sum(batch.inputs.size for batch in micro_batches),
            micro_batches=len(micro_batches),
            seconds=seconds,
            tokens_per_second=tokens / seconds,
            active_memory=mx.get_active_memory(),
            cache_memory=mx.get_cache_memory(),
            peak_memory=mx.get_peak_memory(),
        )
    )
    watch_memory(run)


def accumulate(run: Run, micro_batches: list[MicroBatch]) -> tuple[float, loss.Gradients]:
    """Loss and gradient of a step: the token mean over all its micro-batches.

    Each is evaluated before the next begins, so that only one holds its activations.
    """
    weight = mx.array(1.0 / sum(batch.label_tokens for batch in micro_batches), mx.float32)
    total, value = None, 0.0
    for batch in micro_batches:
        share, gradients = run.loss_and_gradient(
            mx.array(batch.inputs), mx.array(batch.targets), mx.array(batch.mask), weight
        )
        total = loss.add(total, gradients)
        mx.eval(share, total, mx.random.state)
        value += loss.scalar(share)
    assert total is not None
    return value, total


def not_finite(step: int, value: float, norm: float, rate: float) -> FarenseError:
    """The update is not applied: the weights and all checkpoints are as they were before."""
    return FarenseError(
        "the loss or its gradient is not a finite number",
        f"step {step}: loss {value}, gradient norm {norm}, learning rate {rate:g}",
        "The checkpoints are sound. Start again with a smaller train.learning_rate.",
        kind="not_finite",
    )


def watch_memory(run: Run) -> None:
    """Warn when memory comes near the limit; before the machine suffers, save and end."""
    used = memory.footprint()
    notice = run.guard.look(used)
    if notice is not None:
        run.output.emit(notice)
    if run.guard.critical(used):
        mx.clear_cache()
        used = memory.footprint()
        if run.guard.critical(used):
            save(run, improved=False)
            raise run.guard.stopped(used)


# ---- the duties -------------------------------------------------------------------------------


def validate(run: Run, valid: Examples) -> bool:
    """Loss over the whole validation set, and answers to the profile's prompts.

    Gives whether the loss is the best so far. A stop breaks it off, and the resumed run does it
    from the beginning.
    """
    run.output.enter("validating")
    began = last = time.perf_counter()
    run.model.eval()
    total, tokens, done = 0.0, 0, 0
    for batch in batching.batches(valid, range(len(valid)), run.config.train.batch_size):
        value = loss.label_loss(
            run.model, mx.array(batch.inputs), mx.array(batch.targets), mx.array(batch.mask)
        )
        total += loss.scalar(value)
        tokens += batch.label_tokens
        done += len(batch.inputs)
        if run.control.stop:
            return False
        if run.control.pause:
            pause(run)
            run.output.enter("validating")
        if time.perf_counter() - last > _PROGRESS_EVERY:
            last = time.perf_counter()
            run.output.emit(events.Progress(done=done, total=len(valid), unit="examples"))
    mean = total / tokens
    step = run.state.step
    # Step 0 is the model as it came: no adapter of ours, so it is never the best one.
    best = run.state.best_loss
    improved = step > 0 and math.isfinite(mean) and (best is None or mean < best)
    run.output.emit(
        events.Validation(
            step=step,
            epoch=step / run.per_epoch,
            loss=wire(mean),
            perplexity=wire(math.exp(min(mean, 700.0))),
            tokens=tokens,
            seconds=time.perf_counter() - began,
            best=improved,
        )
    )
    for prompt in run.config.report.prompts:
        if run.control.stop:
            return False
        run.output.enter("sampling")
        text = sampling.answer(run.model, run.tokenizer, prompt, run.config.report.sample_tokens)
        run.output.emit(events.Sample(step=step, prompt=prompt, text=text))
    run.unsaved = True
    run.state = msgspec.structs.replace(
        run.state,
        validated_step=step,
        best_loss=mean if improved else best,
        best_step=step if improved else run.state.best_step,
    )
    return improved


def save(run: Run, improved: bool) -> None:
    """Write a checkpoint; on a full disk wait for space, because nothing must be lost."""
    run.output.enter("saving")
    began = time.perf_counter()
    run.state = msgspec.structs.replace(run.state, random=checkpoint.random_key())
    adapters = dict(tree_flatten(run.model.trainable_parameters()))
    while True:
        try:
            path, size = checkpoint.save(
                run.folder, run.state, adapters, run.optimizer.state, run.adapter_config
            )
            # Until a validation has found the best one, the newest adapter is the run's adapter.
            if improved or run.state.best_loss is None:
                checkpoint.publish(run.folder, path)
            checkpoint.prune(run.folder, run.config.checkpoint.keep, run.state.best_step)
            break
        except OSError as error:
            wait_for_disk(run, disk_error(error, run.folder.path))
    run.unsaved = run.control.save = False
    run.output.emit(
        events.Checkpoint(
            step=run.state.step,
            path=path.name,
            bytes=size,
            seconds=time.perf_counter() - began,
            best=improved,
        )
    )


def wait_for_disk(run: Run, error: FarenseError) -> None:
    """Pause until the disk may have space again; a stop ends the run without this checkpoint."""
    if error.kind != "disk_full":
        raise error
    run.output.enter("paused")
    run.output.emit(
        events.Notice(
            level="error",
            code="disk_full",
            message=f"the checkpoint cannot be written: {error.detail}",
            hint="The training waits. Make space, and it goes on by itself.",
        )
    )
    deadline = time.monotonic() + _DISK_POLL
    while time.monotonic() < deadline:
        if run.control.stop:
            raise error
        time.sleep(0.1)
    run.output.enter("saving")


def pause(run: Run) -> None:
    """Wait until the run is told to go on or to stop; checkpoints are written meanwhile."""
    run.output.enter("paused")
    while run.control.pause and not run.control.stop:
        if run.control.save and run.state.step > 0:
            save(run, improved=False)
            run.output.enter("paused")
        time.sleep(_PAUSE_POLL)
    run.control.pause = False
