"""How much goes through the model at once, by the plan, and what MLX may keep for it."""

from __future__ import annotations

from pathlib import Path

import mlx.core as mx

from farense_worker.data.prepare import Examples
from farense_worker.loop import memory
from farense_worker.loop.run import Run
from farense_worker.model import model
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages import events
from farense_worker.protocol.plan import budget, model_shape
from farense_worker.protocol.plan.memory import GIB
from farense_worker.protocol.settings.profile import Config


def budget_of(config: Config, path: Path, examples: Examples, cached: bool) -> int:
    """Plan how many tokens go through at once. cached: without the frozen layers."""
    longest, limit = int(examples.lengths.max()), memory.limit(mx, config.memory)
    shape = model_shape.read(path)
    return budget.planned(config, shape, limit, longest, gpu=model.on_gpu(), cached=cached)


def keep_buffers(
    config: Config, path: Path, examples: Examples, tokens: int, *, frozen: bool = False
) -> None:
    """Let MLX keep what steps will need by the forecast, until they have shown it.

    frozen: what the pass over the frozen layers needs, whose every micro-batch has another shape.
    """
    longest, shape, gpu = int(examples.lengths.max()), model_shape.read(path), model.on_gpu()
    if shape is None:
        return
    if frozen:
        needed = budget.passes(config, shape, tokens, longest, gpu=gpu)
    else:
        needed = budget.comes_and_goes(config, shape, tokens, longest, gpu=gpu, cached=False)
    memory.keep_buffers(mx, config.memory, needed)


def tell(run: Run) -> None:
    """Say so where fewer go through at once than were asked for."""
    most = budget.most(run.config)
    if run.planned < most:
        run.output.emit(
            events.Notice(
                level="info",
                code="budget",
                message=_(
                    "by the forecast {most} tokens at once do not fit into {limit:.1f} GiB: at "
                    "most {tokens} go through the model at once, in the same steps"
                ).format(most=most, limit=run.guard.limit / GIB, tokens=run.planned),
            )
        )
