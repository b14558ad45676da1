"""Several processes, one run: which rank this is, and sums over all of them.

Data-parallel on mx.distributed: every rank has the whole model and takes its share of the rows of
each step. Because a step's label tokens are known to all beforehand, shares are simply added.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
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

    def sum(self, tree: Any) -> Any:
        """Add the arrays of all ranks, element by element, in float32.

        All go over the wire as one vector: each message costs milliseconds, however short.
        """
        if self.size == 1:
            return tree
        leaves = tree_flatten(tree)
        flat = mx.concatenate([array.astype(mx.float32).reshape(-1) for _, array in leaves])
        # The CPU stream: the ring backend works there, whatever computes the gradients.
        total = mx.distributed.all_sum(flat, stream=mx.cpu)
        parts, at = [], 0
        for name, array in leaves:
            part = total[at : at + array.size].reshape(array.shape).astype(array.dtype)
            parts.append((name, part))
            at += array.size
        return tree_unflatten(parts)

    def add(self, *values: float) -> list[float]:
        """Add numbers over all ranks."""
        if self.size == 1:
            return list(values)
        total: dict[str, Any] = self.sum({"values": mx.array(values)})
        return [float(value) for value in total["values"].tolist()]


def join() -> Ranks:
    """Join the group that mlx.launch has started; a group of one without it."""
    if "MLX_RANK" not in os.environ:
        return Ranks()
    group = mx.distributed.init(strict=True)
    return Ranks(group.rank(), group.size())
