"""The scenarios, each a script to be read downwards.

A script yields events, which are written, and numbers, which are seconds that pass with a
heartbeat every two. It heeds signals between two items, as the worker does between two steps, so
one long wait is a native call that does not come back. What it does may depend on the settings:
where half the learning rate or a smaller micro-batch would cure a real run, it cures this one.
"""

from __future__ import annotations

import errno
import math
import os
import random
import signal
import sys
from collections.abc import Callable

from farense_worker.process.native_errors import explain
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.messages import events
from farense_worker.protocol.messages.events import Notice, Phase, Progress, RunFailed
from farense_worker.protocol.plan.learning_rate import learning_rate
from farense_worker.protocol.plan.memory import GIB
from farense_worker.protocol.settings.recipe import steerable
from farense_worker.simulated import checkpoints
from farense_worker.simulated.stage import FOR_EVER, MIB, Die, Script, Silence, Stage

LIMIT = int(10.67 * GIB)  # the working set that a Mac of 16 GB recommends
ROWS, VALID_ROWS = 1600, 108
SECONDS = 0.5  # of a step
TOO_FAST = 1.5e-4  # a learning rate above it is what goes wrong
Curve = Callable[[int], float]


# ---- the curves -------------------------------------------------------------------------------


def _noise(step: int, size: float) -> float:
    return random.Random(step).gauss(0, size)


def falling(step: int) -> float:
    """A loss as it should be."""
    return (0.3 + 2.8 * math.exp(-step / 80)) * (1 + _noise(step, 0.1))


def _validation(step: int) -> float:
    return 0.42 + 2.6 * math.exp(-step / 80) + _noise(step, 0.002)


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
        yield from validation(at, _validation)


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
    valid: Curve = _validation,
) -> Script:
    """Steps, validations and checkpoints as they are due, to the end or to `upto`."""
    yield Phase(name="training")
    while at.step < min(upto, at.total):
        step = at.step + 1
        took = seconds(step) * (1 + abs(_noise(-step, 0.05)))
        yield took
        yield one_step(at, step, loss(step), took)
        last = step == at.total
        if last or step % at.config.report.eval_every == 0:
            yield from validation(at, valid)
        if last or at.best_step == step or step % at.config.checkpoint.every == 0:
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
        grad_norm=events.wire(0.4 + 2 * math.exp(-step / 60) + abs(_noise(step, 0.2))),
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


# ---- scenarios --------------------------------------------------------------------------------


def ok(at: Stage) -> Script:
    yield from opening(at)
    yield from training(at)


def slow(at: Stage) -> Script:
    """Three times slower from the middle on."""
    yield from opening(at)
    turn = at.step + 150
    yield from training(at, seconds=lambda step: SECONDS * (3 if step > turn else 1))


def nan(at: Stage) -> Script:
    """NaN again and again, until the rollbacks are used up."""
    yield from opening(at)
    for left in (1, 0):
        if at.config.train.learning_rate > TOO_FAST:
            yield from training(at, upto=at.step + 60)
            problem = _not_finite(at)
            yield started(at, at.folder.resume_step() or 0)
            yield Notice(
                level="warning",
                code="rollback",
                message=_(
                    "not a finite number at {problem}. Back to step {step}, on with {factor:g} of "
                    "the learning rate"
                ).format(problem=problem, step=at.step, factor=0.5 ** (2 - left)),
                hint=ngettext(
                    "{n} rollback is left (train.rollbacks).",
                    "{n} rollbacks are left (train.rollbacks).",
                    left,
                ).format(n=left),
            )
    if at.config.train.learning_rate <= TOO_FAST:
        yield from training(at)
        return
    yield from training(at, upto=at.step + 60)
    yield failed(
        at,
        "not_finite",
        _("the loss, its gradient or a weight is not a finite number"),
        _("{problem}; {done} of {most} rollbacks are used").format(
            problem=_not_finite(at), done=2, most=2
        ),
        _("The checkpoints are sound. Start again with a smaller train.learning_rate."),
    )


def _not_finite(at: Stage) -> str:
    said = _("step {step}: loss {loss}, gradient norm {norm}, learning rate {rate:g}")
    rate = at.config.train.learning_rate
    return said.format(step=at.step + 1, loss=math.nan, norm=math.nan, rate=rate)


def diverge(at: Stage) -> Script:
    """A loss that turns after 150 steps."""
    yield from opening(at)
    if at.config.train.learning_rate <= TOO_FAST:
        yield from training(at)
        return
    yield from training(
        at,
        lambda step: falling(step) + 4 * min(1, max(0, step - 150) / 120),
        valid=lambda step: _validation(step) + 4 * min(1, max(0, step - 150) / 120),
    )


def explode(at: Stage) -> Script:
    """A loss beyond all bounds after 60 steps."""
    yield from opening(at)
    if at.config.train.learning_rate <= TOO_FAST:
        yield from training(at)
        return
    yield from training(at, lambda step: falling(step) * (1 if step < 60 else 4000))


def flat(at: Stage) -> Script:
    """A loss that stays where it was."""
    yield from opening(at)
    yield from training(at, lambda step: 3.1 * (1 + _noise(step, 0.06)), valid=lambda _step: 3.02)


def overfit(at: Stage) -> Script:
    """Validation turns after step 150, training does not."""
    yield from opening(at)
    yield from training(
        at,
        lambda step: falling(step) * (1 if step < 150 else 0.997 ** (step - 150)),
        valid=lambda step: _validation(step) + max(0, step - 150) * 3e-3,
    )


def memory(at: Stage) -> Script:
    """Memory that grows to near the limit with large micro-batches."""
    yield from opening(at)
    yield from training(at, upto=100)
    if at.config.train.batch_size > 2:
        at.rss = int(0.91 * LIMIT)
    yield from training(at)


def oom(at: Stage) -> Script:
    """Out of memory with large micro-batches."""
    yield from opening(at)
    if at.config.train.batch_size <= 2:
        yield from training(at)
        return
    yield from training(at, upto=at.step + 80)
    yield native(
        at,
        "[METAL] Command buffer execution failed: Insufficient Memory "  # not translated: Metal
        "(00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)",
    )


def oom_kill(at: Stage) -> Script:
    """Killed from outside, without a word."""
    yield from opening(at)
    yield from training(at, upto=at.step + 80)
    yield Die(signal=signal.SIGKILL)


def crash(at: Stage) -> Script:
    """A native library gives up."""
    yield from opening(at)
    yield from training(at, upto=at.step + 80)
    for line in (
        "libc++abi: terminating due to uncaught exception",  # not translated: a library's words
        "-[IOGPUMetalCommandBuffer validate]: failed assertion",  # not translated: Metal's
    ):
        print(line, file=sys.stderr, flush=True)
    yield Die(signal=signal.SIGABRT)


def watchdog(at: Stage) -> Script:
    """The display wants the GPU."""
    yield from opening(at)
    yield from training(at, upto=at.step + 80)
    yield native(
        at,
        "[METAL] Command buffer execution failed: Impacting Interactivity "  # not translated: Metal
        "(0000000e:kIOGPUCommandBufferCallbackErrorImpactingInteractivity)",
    )


def disk_full(at: Stage) -> Script:
    """A checkpoint waits for space."""
    yield from opening(at)
    yield from training(at, upto=at.step + 60)
    yield Phase(name="paused")
    yield Notice(
        level="error",
        code="disk_full",
        message=_("the checkpoint cannot be written: {why}").format(why=os.strerror(errno.ENOSPC)),
        hint=_("The training waits. Make space, and it goes on by itself."),
    )
    while True:
        yield 1.0


def cpu(at: Stage) -> Script:
    """MLX has found no GPU."""
    yield from opening(at, device="cpu (Apple M1)")
    yield from training(at)


def truncated(at: Stage) -> Script:
    """Too long a data set for max_seq_length."""
    yield from opening(at, truncated=(ROWS + VALID_ROWS) // 3)
    yield from training(at)


def sleep(at: Stage) -> Script:
    """The lid is closed for an hour."""
    yield from opening(at)
    yield from training(at, upto=at.step + 60)
    at.set_clock(3600)
    yield from training(at)


def clock(at: Stage) -> Script:
    """The clock is an hour fast, and is then set right."""
    at.set_clock(3600)
    yield from opening(at)
    yield from training(at, upto=at.step + 60)
    at.set_clock(-3600)
    yield from training(at)


def stall_download(at: Stage) -> Script:
    """The network goes away."""
    yield Phase(name="starting")
    yield 1.0
    yield Phase(name="downloading")
    for done in range(0, 320, 20):
        yield Progress(done=done * MIB, total=695 * MIB, unit="bytes")
        yield 1.0
    yield FOR_EVER


def stall_load(at: Stage) -> Script:
    yield Phase(name="starting")
    yield 1.0
    yield Phase(name="loading_model")
    yield FOR_EVER


def stall_tokenize(at: Stage) -> Script:
    yield Phase(name="starting")
    yield 1.0
    yield Phase(name="tokenizing")
    yield Progress(done=400, total=ROWS, unit="examples")
    yield FOR_EVER


def stall_validation(at: Stage) -> Script:
    """mlx-lm#1348: nothing after the first validation has begun."""
    yield from opening(at, validate=False)
    yield Phase(name="validating")
    yield 0.6
    yield Progress(done=27, total=VALID_ROWS, unit="examples")
    yield FOR_EVER


def stall_compile(at: Stage) -> Script:
    """The first step does not come."""
    yield from opening(at)
    yield Phase(name="training")
    yield FOR_EVER


def stall_step(at: Stage) -> Script:
    yield from opening(at)
    yield from training(at, upto=at.step + 80)
    yield FOR_EVER


def stall_save(at: Stage) -> Script:
    """The disk does not answer."""
    yield from opening(at)
    yield from training(at, upto=at.step + 60)
    yield Phase(name="saving")
    yield FOR_EVER


def frozen(at: Stage) -> Script:
    """Not even heartbeats, though the process is there."""
    yield from opening(at)
    yield from training(at, upto=at.step + 60)
    yield Silence(FOR_EVER)


def flood(at: Stage) -> Script:
    """5,000 steps a second, without a duty in between."""
    at.total = 100_000
    yield from opening(at)
    yield Phase(name="training")
    while at.step < at.total:
        yield 0.0002
        yield one_step(at, at.step + 1, falling(at.step + 1), 0.0002)
    yield events.RunStopped(reason="completed", step=at.step)


SCRIPTS: dict[str, Callable[[Stage], Script]] = {
    script.__name__.replace("_", "-"): script
    for script in (
        ok, slow, nan, diverge, explode, flat, overfit, memory, oom, oom_kill, crash, watchdog,
        disk_full, cpu, truncated, sleep, clock, stall_download, stall_load, stall_tokenize,
        stall_validation, stall_compile, stall_step, stall_save, frozen, flood,
    )
}  # fmt: skip
SCRIPTS["deaf"] = ok  # the ears are not part of the script
