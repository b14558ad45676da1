"""The whole training story, to be read downwards.

`train` sets the stage and runs one loop. At its top are the duties that are due after a step:
validate, checkpoint, stop. They depend on the step alone and on what is recorded as done, so a
resumed run finds the very duties that the killed one had left. Below them is one step.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import mlx.core as mx
import msgspec

from farense_worker.data import batching
from farense_worker.data.batching import MicroBatch
from farense_worker.loop import optimizer, shortage, trunk_cache
from farense_worker.loop.custody import Custody
from farense_worker.loop.distributed import Ranks
from farense_worker.loop.rollback import NotFinite, roll_back
from farense_worker.loop.run import Run
from farense_worker.loop.saving import late, look_after, pause, save
from farense_worker.loop.start.setup import set_up
from farense_worker.loop.validation import sample_at_the_end, validate
from farense_worker.model import loss
from farense_worker.process.output import Output
from farense_worker.process.signals import Control, heed_none
from farense_worker.protocol.errors import PEER, FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages import events
from farense_worker.protocol.messages.events import wire
from farense_worker.protocol.plan import cadence, steps
from farense_worker.protocol.plan.learning_rate import learning_rate
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Config


@dataclass(frozen=True)
class Computed:
    """What a step has cost, over all ranks."""

    micro_batches: int
    padded_tokens: int


def train(
    folder: RunFolder,
    config: Config,
    output: Output,
    control: Control,
    custody: Custody,
    ranks: Ranks,
) -> events.Reason:
    """Train the run in `folder` to its end, or until it is told to stop; why it ended.

    Raises FarenseError for what the user has to know, StopRequested if stopped before step 1.
    """
    with control.interruptible():
        run = set_up(folder, config, output, control, custody, ranks)

    while True:
        # ---- what is due after step `run.state.step` (0: before the first) --------------------
        step = run.state.step
        last = step == run.total_steps
        look_after(run)
        short, aged = control.agree(ranks.add, float(run.short is not None), float(late(run)))
        if short:
            end_early(run)
        if control.pause and not control.stop:
            pause(run)
        improved = False
        if run.valid and run.state.validated_step < step and not control.stop:
            if last or step % cadence.validate_every(config.report, run.total_steps) == 0:
                improved = validate(run, run.valid)
        if control.stop:
            output.enter("stopping")
        early = 0 < config.train.early_stopping <= run.state.since_best
        every = cadence.save_every(config.checkpoint, run.total_steps)
        due = last or early or control.stop or aged or step % every == 0
        if improved or control.save or (due and run.unsaved):
            save(run, improved)
        if last or early or control.stop:
            look_after(run)
            if run.short:  # nobody would find what it says it has done
                raise run.custody.told_by(output, run.short)
            # A stop may have broken the last validation off: a resume has it still to do.
            validated = not run.valid or run.state.validated_step == step
            reason: events.Reason = (
                "completed" if last and validated else "early_stopping" if early else "stopped"
            )
            return end(run, reason)

        # ---- one step -------------------------------------------------------------------------
        output.enter("training")
        try:
            take_step(run)
        except NotFinite as problem:
            roll_back(run, problem)


# ---- one step ---------------------------------------------------------------------------------


def take_step(run: Run) -> None:
    """One update over one effective batch: its examples, its gradient, its event."""
    began = time.perf_counter()
    run.peak_memory = max(run.peak_memory, mx.get_peak_memory())
    mx.reset_peak_memory()
    settings, ranks = run.config.train, run.ranks
    step = run.state.step + 1
    at = steps.position(step, run.per_epoch)
    rows = steps.draw(at, len(run.train), run.config.effective_batch, settings.seed)
    own, shared = ranks.share(rows), run.shared.get("train")
    micro_batches = batching.batches(run.train, own, run.budget, shared, few_shapes=run.compiled)
    rate = learning_rate(settings, step, run.total_steps) * run.state.rate_factor

    run.model.train()
    # The random numbers of a step follow from its number, as its examples do.
    mx.random.seed((settings.seed << 32) | ((step * ranks.size + ranks.rank) & 0xFFFFFFFF))
    label_tokens = int(run.train.labels[rows].sum())
    value, gradients, computed = accumulate(run, micro_batches, label_tokens)
    norm = ranks.first_says(loss.scalar(loss.norm(gradients)))
    if not (math.isfinite(value) and math.isfinite(norm)):
        raise NotFinite(
            _("step {step}: loss {loss}, gradient norm {norm}, learning rate {rate:g}").format(
                step=step, loss=value, norm=norm, rate=rate
            )
        )
    optimizer.set_learning_rate(run.optimizer, rate)
    run.optimizer.update(run.model, loss.clip(gradients, norm, settings.max_grad_norm))
    trained = run.model.trainable_parameters()
    sound = loss.finite(trained)
    mx.eval(trained, run.optimizer.state, sound)
    if ranks.add(1.0 - loss.scalar(sound))[0]:
        raise NotFinite(
            _(
                "step {step}: the update with learning rate {rate:g} and gradient norm {norm}"
            ).format(step=step, rate=rate, norm=norm)
        )

    seconds = time.perf_counter() - began
    tokens = int(run.train.lengths[rows].sum())
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
            padded_tokens=computed.padded_tokens,
            micro_batches=computed.micro_batches,
            seconds=seconds,
            tokens_per_second=tokens / seconds,
            active_memory=mx.get_active_memory(),
            cache_memory=mx.get_cache_memory(),
            peak_memory=max(run.peak_memory, mx.get_peak_memory()),
        )
    )
    shortage.watch(run)


def accumulate(
    run: Run, micro_batches: list[MicroBatch], label_tokens: int
) -> tuple[float, loss.Gradients, Computed]:
    """Loss and gradient of a step: the mean over its label tokens, of all micro-batches and ranks.

    Each micro-batch is evaluated before the next begins, so that only one holds activations.
    """
    weight = mx.array(1.0 / label_tokens, mx.float32)
    total, value, shares = None, 0.0, run.shares.begun()
    for batch in micro_batches:
        share, gradients = shares.gradient(weight, batch, run.arrays("train", batch))
        total = loss.add(total, gradients)
        mx.eval(share, total)
        value += loss.scalar(share)
    if total is None:  # fewer rows than ranks: this one has nothing to add
        total = loss.zeros(run.model)
    padded = sum(batch.tokens for batch in micro_batches)
    total, numbers = run.ranks.sum(total, value, len(micro_batches), padded)
    return numbers[0], total, Computed(int(numbers[1]), int(numbers[2]))


# ---- the end ----------------------------------------------------------------------------------


def end_early(run: Run) -> None:
    """Save and end, because one of the ranks cannot go on: memory is short, or the folder lost."""
    save(run, improved=False)
    run.ranks.add(0.0)  # none goes before the first rank has saved
    if run.short is None:
        raise FarenseError(_("another rank cannot go on"), kind=PEER)
    raise run.custody.told_by(run.output, run.short)


def end(run: Run, reason: events.Reason) -> events.Reason:
    """Say that the run has ended, and let go of what only training needs."""
    if reason != "stopped" and run.trunk:
        trunk_cache.remove(run.folder.trunk)
    if reason != "stopped" and run.owes_samples:
        sample_at_the_end(run)
    heed_none()
    run.output.emit(events.RunStopped(reason=reason, step=run.state.step))
    return reason
