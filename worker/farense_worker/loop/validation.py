"""The validation: loss over the whole set, and answers to the run's prompts."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import mlx.core as mx
import msgspec

from farense_worker.data import batching
from farense_worker.data.prepare import Examples
from farense_worker.generate import decoding
from farense_worker.generate.prompts import prompt_tokens
from farense_worker.loop import first_validation
from farense_worker.loop.first_validation import Baseline
from farense_worker.loop.run import Run
from farense_worker.loop.saving import pause
from farense_worker.loop.shares import Shares
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages import events
from farense_worker.protocol.messages.events import wire

_PROGRESS_EVERY = 0.5


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
    total, tokens, done, shares = 0.0, 0.0, 0, Shares(run.label_loss)
    rows = run.ranks.share(range(len(valid)))
    pieces = batching.cut(valid, rows, run.budget, run.shared.get("valid"))
    for at in range(run.ranks.most(len(pieces))):
        for piece in pieces[at : at + 1]:  # none, if other ranks have more
            batch = batching.collate(valid, piece)
            total += shares.value(batch, run.arrays("valid", batch))
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
    system, words = run.system_prompt, run.tokenizer
    prompts = [prompt_tokens(words, prompt, system) for prompt in run.prompts]
    return decoding.answer_each(network, words, prompts, most)


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
