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
import signal
import sys
from collections.abc import Callable

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.messages import events
from farense_worker.protocol.messages.events import Notice, Phase, Progress
from farense_worker.simulated.scenario_parts import (
    LIMIT,
    ROWS,
    SECONDS,
    TOO_FAST,
    VALID_ROWS,
    failed,
    falling,
    native,
    noise,
    one_step,
    opening,
    started,
    training,
    validation_loss,
)
from farense_worker.simulated.stage import FOR_EVER, MIB, Die, Script, Silence, Stage


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
        valid=lambda step: validation_loss(step) + 4 * min(1, max(0, step - 150) / 120),
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
    yield from training(at, lambda step: 3.1 * (1 + noise(step, 0.06)), valid=lambda _step: 3.02)


def overfit(at: Stage) -> Script:
    """Validation turns after step 150, training does not."""
    yield from opening(at)
    yield from training(
        at,
        lambda step: falling(step) * (1 if step < 150 else 0.997 ** (step - 150)),
        valid=lambda step: validation_loss(step) + max(0, step - 150) * 3e-3,
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
