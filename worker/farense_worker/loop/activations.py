"""What the frozen layers gave, stored: for each row, and once for what rows begin with alike."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from farense_worker.data.batching import MicroBatch
from farense_worker.data.examples import Examples
from farense_worker.data.shared_prefix import Shared


@dataclass(frozen=True)
class Stored:
    """Activations of a split, in a file or in memory that looks like one.

    First what the rows of each group begin with alike, then of each row what comes after that.
    """

    examples: Examples
    values: Any  # numpy: (tokens, hidden), uint16 standing for a 16-bit float
    dtype: mx.Dtype
    shared: Shared | None = None

    def read(self, rows: tuple[int, ...], width: int, skip: int = 0) -> mx.array:
        """Give the activations of these examples, padded with zeros; (rows, width, hidden).

        skip: tokens at the beginning of each that are left out.
        """
        out = np.zeros((len(rows), width, self.values.shape[1]), self.values.dtype)
        for at, row in enumerate(rows):
            for values, first in self._parts(row):
                start, end = max(first, skip), min(first + len(values), skip + width)
                if start < end:
                    out[at, start - skip : end - skip] = values[start - first : end - first]
        return mx.array(out).view(self.dtype)

    def write(self, rows: tuple[int, ...], activations: mx.array, skip: int = 0) -> None:
        """Keep the activations of these examples, whose first `skip` tokens are not among them."""
        made = np.array(activations.view(stored_as(self.dtype)[0]))
        for at, row in enumerate(rows):
            for values, first in self._parts(row):
                if first >= skip:
                    its = made[at, first - skip :][: len(values)]
                    values[: len(its)] = its

    def _parts(self, row: int) -> list[tuple[Any, int]]:
        """Where a row's activations are: places, and which of its tokens is the first there."""
        start, length = int(self._starts[row]), int(self._lengths[row])
        own, group = self.values[start : start + length], -1
        if self.shared:
            group = int(self.shared.of_row[row])
        if not self.shared or group < 0:
            return [(own, 0)]
        start, length = sum(self.shared.lengths[:group]), self.shared.lengths[group]
        return [(self.values[start : start + length], 0), (own, length)]

    @functools.cached_property
    def _lengths(self) -> NDArray[np.int64]:
        return lengths(self.examples, self.shared)

    @functools.cached_property
    def _starts(self) -> NDArray[np.int64]:
        first = sum(self.shared.lengths) if self.shared else 0
        return first + np.cumsum(self._lengths) - self._lengths


def lengths(examples: Examples, shared: Shared | None) -> NDArray[np.int64]:
    """Count what is stored of each row: its inputs, which are all tokens but the last."""
    inputs = examples.lengths - 1
    if not shared:
        return inputs
    of_groups = np.array([*shared.lengths, 0], np.int64)  # the last is of rows without one
    return inputs - of_groups[shared.of_row]


def size(examples: Examples, shared: Shared | None) -> int:
    """Count the tokens whose activations are stored of a split."""
    return int(lengths(examples, shared).sum()) + (sum(shared.lengths) if shared else 0)


def stored_as(dtype: mx.Dtype) -> tuple[mx.Dtype, Any]:
    """numpy has no bfloat16, so 16-bit floats are kept as the bits that they are."""
    return (mx.uint16, np.uint16) if dtype.size == 2 else (mx.float32, np.float32)


@dataclass(frozen=True)
class Trunk:
    """A trunk whose activations are stored: layers 0 to start - 1."""

    start: int
    stored: dict[str, Stored]

    def activations(self, split: str, batch: MicroBatch) -> mx.array:
        """What enters layer `start` for a micro-batch; (rows, width, hidden)."""
        return self.stored[split].read(batch.rows, batch.inputs.shape[1], batch.behind)

    def of_prefix(self, split: str, batch: MicroBatch) -> mx.array:
        """What enters it for the prefix of a micro-batch; (1, P, hidden)."""
        return self.stored[split].read(batch.rows[:1], batch.behind)
