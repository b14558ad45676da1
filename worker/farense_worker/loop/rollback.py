"""What is done after a NaN: back to the newest checkpoint, and on with half the learning rate."""

from __future__ import annotations

import mlx.core as mx
import msgspec

from farense_worker.loop.run import Run
from farense_worker.loop.start.setup import go_back
from farense_worker.model import model
from farense_worker.process import restart
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.messages import events


class NotFinite(Exception):
    """The loss, its gradient or a weight is NaN or Inf, and nothing of the step has been saved."""


def roll_back(run: Run, problem: NotFinite) -> None:
    """Go back to the last checkpoint and on with half the learning rate, so many times."""
    done, most = run.state.rollbacks, run.config.train.rollbacks
    factor = run.state.rate_factor / 2  # of now: the checkpoint may be of before another rollback
    if done < most and run.ranks.size == 1 and overflows(run):
        raise FarenseError(
            _("float16 may have overflowed"),
            str(problem),
            _("model.dtype = bfloat16 has the range of float32."),
            kind=restart.OVERFLOW,
        ) from problem
    if done >= most or not go_back(run):
        raise FarenseError(
            _("the loss, its gradient or a weight is not a finite number"),
            _("{problem}; {done} of {most} rollbacks are used").format(
                problem=problem, done=done, most=most
            ),
            _("The checkpoints are sound. Start again with a smaller train.learning_rate."),
            kind="not_finite",
        ) from problem
    left = most - done - 1
    run.state = msgspec.structs.replace(run.state, rollbacks=done + 1, rate_factor=factor)
    run.output.emit(
        events.Notice(
            level="warning",
            code="rollback",
            message=_(
                "not a finite number at {problem}. Back to step {step}, on with {factor:g} of the "
                "learning rate"
            ).format(problem=problem, step=run.state.step, factor=factor),
            hint=ngettext(
                "{n} rollback is left (train.rollbacks).",
                "{n} rollbacks are left (train.rollbacks).",
                left,
            ).format(n=left),
        )
    )


def overflows(run: Run) -> bool:
    """Whether it may be float16's range that was left: then no smaller rate helps.

    Whole weights in float16 are not taken over into another type.
    """
    half = model.dtype_of(run.model) == mx.float16
    return half and run.config.train.fine_tune_type != "full"
