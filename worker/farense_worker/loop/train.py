"""The whole training story, to be read downwards.

`train` sets the stage and runs one loop. At its top are the duties that are due after a step:
validate, checkpoint, stop. They depend on the step alone and on what is recorded as done, so a
resumed run finds the very duties that the killed one had left. Below them is one step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import mlx.core as mx
import msgspec
from mlx.utils import tree_flatten

from farense_worker.data import batching
from farense_worker.data.batching import MicroBatch
from farense_worker.data.prepare import Examples
from farense_worker.generate import decoding
from farense_worker.loop import checkpoint, first_validation, optimizer, shortage, trunk_cache
from farense_worker.loop.distributed import Ranks
from farense_worker.loop.first_validation import Baseline
from farense_worker.loop.rollback import NotFinite, roll_back
from farense_worker.loop.setup import Run, set_up
from farense_worker.model import loss
from farense_worker.process.output import Output
from farense_worker.process.signals import Control
from farense_worker.protocol import checkpoint_files
from farense_worker.protocol.errors import PEER, FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages import events
from farense_worker.protocol.messages.events import wire
from farense_worker.protocol.plan import cutting, steps
from farense_worker.protocol.plan.learning_rate import learning_rate
from farense_worker.protocol.run_folder import RunFolder, disk_error
from farense_worker.protocol.settings.profile import Config

_PROGRESS_EVERY = 0.5
_PAUSE_POLL = 0.1


@dataclass(frozen=True)
class Computed:
    """What a step has cost, over all ranks."""

    micro_batches: int
    padded_tokens: int


def train(
    folder: RunFolder, config: Config, output: Output, control: Control, ranks: Ranks
) -> events.Reason:
    """Train the run in `folder` to its end, or until it is told to stop; why it ended.

    Raises FarenseError for what the user has to know, StopRequested if stopped before step 1.
    """
    with control.interruptible():
        run = set_up(folder, config, output, control, ranks)

    while True:
        # ---- what is due after step `run.state.step` (0: before the first) --------------------
        step = run.state.step
        last = step == run.total_steps
        look_after(run)
        (short,) = control.agree(ranks.add, float(run.short is not None))
        if short:
            end_early(run)
        if control.pause and not control.stop:
            pause(run)
        improved = False
        if run.valid and run.state.validated_step < step and not control.stop:
            if last or step % config.report.eval_every == 0:
                improved = validate(run, run.valid)
        if control.stop:
            output.enter("stopping")
        early = 0 < config.train.early_stopping <= run.state.since_best
        due = last or early or control.stop or step % config.checkpoint.every == 0
        if improved or control.save or (due and run.unsaved):
            save(run, improved)
        if last or early or control.stop:
            look_after(run)
            if run.short:  # nobody would find what it says it has done
                raise lost(run, run.short)
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
    micro_batches = batching.batches(
        run.train, ranks.share(rows), run.budget, few_shapes=run.compiled
    )
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
    total, value = None, 0.0
    for batch in micro_batches:
        share, gradients = run.loss_and_gradient(weight, *run.arrays("train", batch))
        total = loss.add(total, gradients)
        mx.eval(share, total)
        value += loss.scalar(share)
    if total is None:  # fewer rows than ranks: this one has nothing to add
        total = loss.zeros(run.model)
    padded = sum(batch.inputs.size for batch in micro_batches)
    total, numbers = run.ranks.sum(total, value, len(micro_batches), padded)
    return numbers[0], total, Computed(int(numbers[1]), int(numbers[2]))


def look_after(run: Run) -> None:
    """See to it that the run ends where its folder, lock or record is not its own any more."""
    run.short = run.short or (run.custody.lost() if run.ranks.first else None)


def end_early(run: Run) -> None:
    """Save and end, because one of the ranks cannot go on: memory is short, or the folder lost."""
    save(run, improved=False)
    run.ranks.add(0.0)  # none goes before the first rank has saved
    if run.short is None:
        raise FarenseError(_("another rank cannot go on"), kind=PEER)
    raise lost(run, run.short)


def lost(run: Run, why: FarenseError) -> FarenseError:
    """Give the error back; if the record is gone from its place, it is told in another there."""
    if record := run.custody.record():
        run.output.go_on_in(record)
    return why


# ---- the duties -------------------------------------------------------------------------------


def validate(run: Run, valid: Examples) -> bool:
    """Loss over the whole validation set, and answers to the run's prompts.

    Gives whether the loss is the best so far. A stop breaks it off, and the resumed run does it
    from the beginning.
    """
    run.output.enter("validating")
    began = run.worked()
    step = run.state.step
    place = first_validation.place(run) if step == 0 else None
    known = place.read() if place else None
    scored = (known.loss, known.tokens) if known else score(run, valid)
    if scored is None:
        return False
    mean, tokens = scored
    seconds = known.seconds if known else run.worked() - began
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
            seconds=seconds,
            cached=known is not None,
            best=improved,
        )
    )
    answers = sample(run, known.answers if known else ())
    if place and not known and answers is not None and math.isfinite(mean):
        place.write(Baseline(mean, tokens, seconds, answers))
    run.unsaved = True
    run.state = msgspec.structs.replace(
        run.state,
        validated_step=step,
        best_loss=mean if improved else best,
        best_step=step if improved else run.state.best_step,
        since_best=0 if improved or best is None else run.state.since_best + 1,
    )
    return improved


def score(run: Run, valid: Examples) -> tuple[float, int] | None:
    """Mean loss of the label tokens, and their number, over all ranks; None if told to stop."""
    last = time.perf_counter()
    run.model.eval()
    total, tokens, done = 0.0, 0.0, 0
    rows = run.ranks.share(range(len(valid)))
    pieces = cutting.cut([int(length) for length in valid.lengths[rows]], run.budget)
    for at in range(run.ranks.most(len(pieces))):
        for piece in pieces[at : at + 1]:  # none, if other ranks have more
            batch = batching.collate(valid, [rows[i] for i in piece])
            total += loss.scalar(run.label_loss(*run.arrays("valid", batch), gradient=False))
            tokens += batch.label_tokens
            done += len(batch.inputs)
        run.control.agree(run.ranks.add)
        if run.control.pause:
            pause(run)
            run.output.enter("validating")
        if run.control.stop:
            return None
        if time.perf_counter() - last > _PROGRESS_EVERY:
            last = time.perf_counter()
            run.output.emit(events.Progress(done=done, total=len(rows), unit="examples"))
    mx.clear_cache()  # the next step needs other shapes
    total, tokens = run.ranks.add(total, tokens)
    return total / tokens, int(tokens)


def sample(run: Run, known: tuple[str, ...] = ()) -> tuple[str, ...] | None:
    """Answer the run's prompts with the adapter as it is, under the rows' system prompt.

    known: answers that need not be made again. Gives the answers; None where there is no memory
    for the whole model.
    """
    if not run.ranks.first or not run.prompts:
        return ()
    run.output.enter("sampling")
    answers = known or answer(run)
    if answers is None:
        run.owes_samples = True
        return None
    told = []
    for prompt, text in zip(run.prompts, answers, strict=True):
        run.output.emit(events.Sample(step=run.state.step, prompt=prompt, text=text))
        told.append(text)
    return tuple(told)


def answer(run: Run) -> Iterator[str] | None:
    """Answers as they are made; None where there is no memory for the whole model."""
    network, most = run.whole_model(), run.config.report.sample_tokens
    if network is None:
        return None
    system = run.system_prompt
    return (decoding.answer(network, run.tokenizer, prompt, most, system) for prompt in run.prompts)


def end(run: Run, reason: events.Reason) -> events.Reason:
    """Say that the run has ended, and let go of what only training needs."""
    if reason != "stopped" and run.trunk:
        trunk_cache.remove(run.folder.trunk)
    if reason != "stopped" and run.owes_samples:
        sample_at_the_end(run)
    run.output.emit(events.RunStopped(reason=reason, step=run.state.step))
    return reason


def sample_at_the_end(run: Run) -> None:
    """Answer the prompts that there was no memory for, now that the training needs none."""
    run.owes_samples = False
    run.optimizer.state = {}
    mx.clear_cache()
    sample(run)
    if run.owes_samples:
        run.output.emit(
            events.Notice(
                level="warning",
                code="no_samples",
                message=_("the model does not fit into memory as a whole: no prompt was answered"),
                hint=_("Ask the adapter on a machine with more memory: farense-tui ask."),
            )
        )


def save(run: Run, improved: bool) -> None:
    """Write a checkpoint; on a full disk wait for space, because nothing must be lost."""
    run.unsaved = False
    run.control.saved()
    if not run.ranks.first:
        return
    run.output.enter("saving")
    began = run.worked()
    finer = None
    if run.budget < run.planned:
        finer = (run.planned, run.guard.limit, run.budget)
    run.state = msgspec.structs.replace(run.state, random=checkpoint.random_key(), finer=finer)
    adapters = dict(tree_flatten(run.model.trainable_parameters()))
    while True:
        try:
            with run.custody.home() as folder:
                if folder is None:
                    return
                path, size = checkpoint.save(
                    folder, run.state, adapters, run.optimizer.state, run.adapter_config
                )
                # Until a validation has found the best one, the newest adapter is the run's.
                if improved or (run.state.best_loss is None and run.state.step > 0):
                    checkpoint.publish(folder, path)
                checkpoint_files.prune(folder.path, run.config.checkpoint.keep, run.state.best_step)
            break
        except OSError as error:
            shortage.wait_for_disk(run, disk_error(error, run.folder.path))
    run.output.emit(
        events.Checkpoint(
            step=run.state.step,
            path=path.name,
            bytes=size,
            seconds=run.worked() - began,
            best=improved,
        )
    )


def pause(run: Run) -> None:
    """Wait until the run is told to go on or to stop; checkpoints are written meanwhile.

    Only the first rank gets signals. The others ask it as often as it asks itself: MLX's ring
    would keep a core busy with a message that waits to be received.
    """
    control = run.control
    began = time.perf_counter()
    run.output.enter("paused")
    while run.ranks.add(control.asked.pause and not control.asked.stop)[0]:
        if control.asked.save:
            save(run, improved=False)
            run.output.enter("paused")
        look_after(run)
        if run.short:  # none of the ranks would wait for ever
            control.asked.pause = False
        time.sleep(_PAUSE_POLL)
    control.resume()
    control.agree(run.ranks.add)
    run.waited += time.perf_counter() - began
