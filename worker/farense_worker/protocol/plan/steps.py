"""The steps of a run: how many, which rows each of them draws, and whether they are compiled."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farense_worker.protocol.settings.profile import Profile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


# Shapes that a run compiles. MLX never lets go of one (mlx#4464; others' runs died at 499,000
# resources, of which a shape takes 12 to 20), and each costs a trace. Some 280 come up with 5,000
# rows, 1,000 with 50,000; those beyond are the rare ones, because the frequent ones come first.
MOST_SHAPES = 400


@dataclass(frozen=True)
class Position:
    """Where a step lies: epoch from 0, and which step of that epoch, from 0."""

    epoch: int
    index: int


def per_epoch(examples: int, effective_batch: int) -> int:
    """Count the steps of one epoch, the last and smaller one included."""
    return -(-examples // effective_batch)


def learnt_from(first_label: int, max_seq_length: int) -> bool:
    """Whether a label is left of a row that is cut off; a row without one is left out."""
    return first_label < max_seq_length


def position(step: int, per_epoch: int) -> Position:
    """Tell where step `step` (from 1) lies. The data position is never stored twice."""
    return Position(*divmod(step - 1, per_epoch))


def draw(at: Position, examples: int, effective_batch: int, seed: int) -> list[int]:
    """Give the examples of a step: a slice of the epoch's own permutation.

    A draw without replacement: every epoch goes through all of them once.
    """
    order = _order(at.epoch, examples, seed)
    return [int(i) for i in order[at.index * effective_batch : (at.index + 1) * effective_batch]]


@functools.lru_cache(maxsize=1)
def _order(epoch: int, examples: int, seed: int) -> NDArray[np.int64]:
    import numpy as np  # not above: the app starts without it

    return np.random.default_rng([seed, epoch]).permutation(examples)


def compiled(profile: Profile, *, gpu: bool) -> bool:
    """Whether the steps are compiled. gpu: whether MLX computes on one."""
    how = profile.train.compile
    return how == "on" or (how == "auto" and gpu)
