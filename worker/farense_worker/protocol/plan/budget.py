"""How many tokens go through the model at once: as many as are asked for, or as fit into memory.

How a step is cut changes its memory and its time, never its mathematics, and fewer micro-batches
are never slower. So the profile says the most, and of that a run takes what fits by the forecast,
with every row as long as the longest and every token a label.
"""

from __future__ import annotations

from farense_worker.protocol.plan import cutting, memory
from farense_worker.protocol.plan.cutting import padded
from farense_worker.protocol.plan.model_shape import Shape
from farense_worker.protocol.plan.step_memory import MicroBatch, fit_of, frozen_bytes, step_parts
from farense_worker.protocol.settings.profile import Profile


def most(profile: Profile) -> int:
    """Tokens, padding included, of `batch_size` examples of the greatest length."""
    return profile.train.batch_size * profile.train.max_seq_length


def planned(
    profile: Profile, shape: Shape | None, limit: int, longest: int, *, gpu: bool, cached: bool
) -> int:
    """Tokens of a micro-batch at most, padding included: `most`, or as many rows as fit.

    limit: bytes that the run may take, 0 if unknown. longest: tokens of the longest row, cut off.
    cached: whether the frozen layers are stored. Where not even one row fits it is one row: whether
    such a run is begun is decided elsewhere.
    """
    asked, width = most(profile), padded(longest - 1)
    rows = max(1, min(profile.effective_batch, asked // width))
    room = memory.room(profile.memory, limit, memory.PROCESS)
    shape = shape and shape.computed(profile, gpu=gpu, room=room)
    if shape is None or not limit or fits(profile, shape, limit, rows, width, gpu, cached):
        return asked
    least, above = 1, rows  # memory grows with the rows
    while above - least > 1:
        half = (least + above) // 2
        if fits(profile, shape, limit, half, width, gpu, cached):
            least = half
        else:
            above = half
    return least * width


def comes_and_goes(
    profile: Profile, shape: Shape, tokens: int, longest: int, *, gpu: bool, cached: bool
) -> int:
    """Bytes that a step of micro-batches of `tokens` has beside what stays, by the forecast."""
    width = padded(longest - 1)
    rows = max(1, min(profile.effective_batch, tokens // width))
    batch = MicroBatch(rows, width, rows * width)
    shape = shape.computed(profile, gpu=gpu)
    parts = step_parts(shape, profile, batch, gpu=gpu, cached=cached, micro_batches=2)
    return parts.total - parts.resident


def passes(profile: Profile, shape: Shape, tokens: int, longest: int, *, gpu: bool) -> int:
    """Bytes that the pass over the frozen layers has for a moment, by the forecast.

    It takes as many rows at once as have `tokens`, however many an optimizer step has.
    """
    width = padded(longest - 1)
    batch = MicroBatch(cutting.at_once(width, tokens), width, 0)
    shape = shape.computed(profile, gpu=gpu)
    return frozen_bytes(shape, batch, fit_of(profile, gpu=gpu), gpu=gpu)


def fits(
    profile: Profile, shape: Shape, limit: int, rows: int, width: int, gpu: bool, cached: bool
) -> bool:
    """Whether a step whose largest micro-batch is so many rows stays below the warning."""
    batch = MicroBatch(rows, width, rows * width)
    several = 2 if rows < profile.effective_batch else 1
    parts = step_parts(shape, profile, batch, gpu=gpu, cached=cached, micro_batches=several)
    cache = memory.cache(profile.memory, parts.total, parts.resident)
    return memory.verdict(profile.memory, limit, parts.total, cache) == "fits"
