"""What scenarios are put together from: curves, and parts of scripts."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable

from farense_worker.process.native_errors import explain
from farense_worker.protocol.messages import events
from farense_worker.protocol.messages.events import Phase, Progress, RunFailed
from farense_worker.protocol.plan import cadence
from farense_worker.protocol.plan.learning_rate import learning_rate
from farense_worker.protocol.plan.memory import GIB
from farense_worker.protocol.settings.recipe import steerable
from farense_worker.simulated import checkpoints
from farense_worker.simulated.stage import MIB, Script, Stage

LIMIT = int(10.67 * GIB)  # the working set that a Mac of 16 GB recommends
ROWS, VALID_ROWS = 1600, 108
SECONDS = 0.5  # of a step
TOO_FAST = 1.5e-4  # a learning rate above it is what goes wrong
Curve = Callable[[int], float]


# ---- the curves -------------------------------------------------------------------------------


def noise(step: int, size: float) -> float:
    return random.Random(step).gauss(0, size)


def falling(step: int) -> float:
    """A loss as it should be."""
    return (0.3 + 2.8 * math.exp(-step / 80)) * (1 + noise(step, 0.1))


def validation_loss(step: int) -> float:
    return 0.42 + 2.6 * math.exp(-step / 80) + noise(step, 0.002)


# ---- parts of scripts -------------------------------------------------------------------------


def opening(
    at: Stage, device: str = "gpu (Apple M1)", truncated: int = 3, validate: bool = True
) -> Script:
    """From the start of the process to the first step."""
    yield Phase(name="starting")
    yield 1.5
    yield Phase(name="tokenizing")
    for done in range(0, ROWS, ROWS // 4):
        yield Progress(done=done, total=ROWS, unit="examples")
        yield 0.3
    yield Phase(name="loading_model")
    yield 3.0
    yield started(at, at.step, device, truncated)
    if validate and at.step == 0:
        yield from validation(at, validation_loss)


def started(
    at: Stage, step: int, device: str = "gpu (Apple M1)", truncated: int = 3
) -> events.RunStarted:
    """The worker's word on what it is about to train."""
    return events.RunStarted(
        protocol=events.PROTOCOL,
        run=at.folder.name,
        pid=0,
        device=device,
        versions={"simulated": "1"},
        trainable_parameters=3_145_728,
        total_parameters=1_235_814_400,
        total_steps=at.total,
        resumed_from_step=step,
        train_examples=ROWS,
        valid_examples=VALID_ROWS,
        truncated_examples=truncated,
        weights_bytes=700 * MIB,
        memory_limit=LIMIT,
        settings=steerable(at.config),
    )


def training(
    at: Stage,
    loss: Curve = falling,
    upto: int = sys.maxsize,
    seconds: Curve = lambda _step: SECONDS,
    valid: Curve = validation_loss,
) -> Script:
    """Steps, validations and checkpoints as they are due, to the end or to `upto`."""
    yield Phase(name="training")
    while at.step < min(upto, at.total):
        step = at.step + 1
        took = seconds(step) * (1 + abs(noise(-step, 0.05)))
        yield took
        yield one_step(at, step, loss(step), took)
        last = step == at.total
        if last or step % cadence.validate_every(at.config.report, at.total) == 0:
            yield from validation(at, valid)
        saves = cadence.save_every(at.config.checkpoint, at.total)
        if last or at.best_step == step or step % saves == 0:
            yield from saving(at)
        yield Phase(name="training")
    if at.step == at.total:
        yield events.RunStopped(reason="completed", step=at.step)


def one_step(at: Stage, step: int, loss: float, seconds: float) -> events.Step:
    train = at.config.train
    return events.Step(
        step=step,
        epoch=step / checkpoints.PER_EPOCH,
        loss=events.wire(loss),
        learning_rate=learning_rate(train, step, at.total),
        grad_norm=events.wire(0.4 + 2 * math.exp(-step / 60) + abs(noise(step, 0.2))),
        tokens=512,
        padded_tokens=560,
        micro_batches=train.grad_accumulation,
        seconds=seconds,
        tokens_per_second=512 / seconds,
        active_memory=2100 * MIB,
        cache_memory=400 * MIB,
        peak_memory=3 * GIB,
    )


def validation(at: Stage, valid: Curve) -> Script:
    """A validation and its result."""
    yield Phase(name="validating")
    for done in range(27, VALID_ROWS + 1, 27):
        yield 0.6
        yield Progress(done=done, total=VALID_ROWS, unit="examples")
    loss = valid(at.step)
    best = at.step > 0 and all(loss < valid(step) for step in range(50, at.step, 50))
    yield events.Validation(
        step=at.step,
        epoch=at.step / checkpoints.PER_EPOCH,
        loss=loss,
        perplexity=math.exp(loss),
        tokens=4000,
        seconds=2.4,
        best=best,
    )


def saving(at: Stage) -> Script:
    yield Phase(name="saving")
    yield 0.2
    yield checkpoints.event(at.step)


def failed(at: Stage, kind: str, title: str, detail: str, hint: str) -> RunFailed:
    """The last event of a run that failed; the log says the same."""
    print(f"RuntimeError: {detail}", file=sys.stderr, flush=True)
    return RunFailed(kind=kind, title=title, detail=detail, hint=hint, step=at.step)


def native(at: Stage, text: str) -> RunFailed:
    """The last event of a run that MLX or Metal has ended with these words."""
    error = explain(RuntimeError(text))
    return failed(at, error.kind, error.title, error.detail, error.hint)
