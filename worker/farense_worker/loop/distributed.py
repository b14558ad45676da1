"""Several processes, one run: which rank this is, and sums over all of them.

Data-parallel on mx.distributed: every rank has the whole model and takes its share of the rows of
each step. Because a step's label tokens are known to all beforehand, shares are simply added.

Every rank must come to every sum, in the same order; so whatever decides what is done next is
either the same everywhere (the step's number, the settings) or is a sum itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten


@dataclass(frozen=True)
class Ranks:
    """The group. With one rank nothing is communicated."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this rank writes the record and the checkpoints."""
        return self.rank == 0

    def share(self, rows: Sequence[int]) -> list[int]:
        """Give this rank's part of the rows; it may be empty, and none is dropped."""
        return list(rows[self.rank :: self.size])

    def sum(self, tree: Any, *numbers: float) -> tuple[Any, list[float]]:
        """Add arrays, element by element, and numbers of all ranks, in float32.

        All go over the wire as one vector: each message costs milliseconds, however short.
        """
        if self.size == 1:
            return tree, list(numbers)
        leaves = sorted(tree_flatten(tree), key=lambda leaf: leaf[0])
        flat = [array.astype(mx.float32).reshape(-1) for _, array in leaves]
        total = mx.distributed.all_sum(mx.concatenate([mx.array(numbers, mx.float32), *flat]))
        mx.eval(total)  # now: all ranks must communicate in the same order
        parts, at = [], len(numbers)
        for name, array in leaves:
            part = total[at : at + array.size].reshape(array.shape).astype(array.dtype)
            parts.append((name, part))
            at += array.size
        added: Any = total[: len(numbers)].tolist()
        return tree_unflatten(parts) if parts else tree, [float(number) for number in added]

    def add(self, *numbers: float) -> list[float]:
        """Add numbers over all ranks."""
        return self.sum({}, *numbers)[1]

    def most(self, number: int) -> int:
        """Give the greatest number that any rank has (below 2**24)."""
        if self.size == 1:
            return number
        most: Any = mx.distributed.all_max(mx.array([number], mx.float32)).item()
        return int(most)

    def first_says(self, number: float) -> float:
        """Give the first rank's number (a float32) to all: unlike machines may round unlike."""
        return self.add(number if self.first else 0.0)[0]

    def tell(self, text: bytes) -> bytes:
        """Give the first rank's bytes to all; what the others pass does not matter."""
        if self.size == 1:
            return text
        length = int(self.first_says(len(text)))
        told = self.tell_array(mx.array(np.frombuffer(text, np.uint8)), (length,), mx.uint8)
        return np.array(told).tobytes()

    def tell_array(self, array: mx.array | None, shape: Sequence[int], dtype: mx.Dtype) -> mx.array:
        """Give the first rank's array to all. Exact for floats, and for integers below 2**24."""
        if self.first and array is not None:
            self.sum([array])
            return array
        total, _ = self.sum([mx.zeros(shape, dtype)])
        told: mx.array = total[0]
        return told


def join() -> Ranks:
    """Join the group that mlx.launch has started.

    Until all have come it returns to nothing, not even to a signal: call it when they are there.
    """
    group = mx.distributed.init(strict=True)
    return Ranks(group.rank(), group.size())
