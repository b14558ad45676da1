"""Which examples make up a step, and how a step is cut into micro-batches.

The examples of a step are a random draw without replacement; every epoch goes through all of
them once, and its last step takes what is left. Cutting changes memory and speed, never the
mathematics, because the loss is normalised by the tokens of the whole step.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.data import Examples

PAD_TO = 8
# What one more micro-batch costs, in tokens of computation (feasibility trial: 48).
_OVERHEAD = 48


@dataclass(frozen=True)
class MicroBatch:
    """What goes through the model at once. All arrays are (rows, width).

    inputs: tokens but the last of each row; targets: tokens but the first; mask: 1.0 where the
    target is a label. `tokens` counts what the rows hold, `label_tokens` the labels.
    """

    inputs: NDArray[np.int32]
    targets: NDArray[np.int32]
    mask: NDArray[np.float32]
    tokens: int
    label_tokens: int


@dataclass(frozen=True)
class Position:
    """Where a step lies: epoch from 0, and which step of that epoch, from 0."""

    epoch: int
    index: int


def steps_per_epoch(examples: int, effective_batch: int) -> int:
    """Count the steps of one epoch, the last and smaller one included."""
    return -(-examples // effective_batch)


def position(step: int, per_epoch: int) -> Position:
    """Tell where step `step` (from 1) lies. The data position is never stored twice."""
    return Position(*divmod(step - 1, per_epoch))


def draw(at: Position, examples: int, effective_batch: int, seed: int) -> list[int]:
    """Give the examples of a step: a slice of the epoch's own permutation."""
    order = _order(at.epoch, examples, seed)
    return [int(i) for i in order[at.index * effective_batch : (at.index + 1) * effective_batch]]


@functools.lru_cache(maxsize=1)
def _order(epoch: int, examples: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch]).permutation(examples)


def cut(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Cut rows of these lengths into micro-batches of at most `batch_size` rows.

    Sorted by length, and cut where that saves more padding than one more micro-batch costs: the
    cheapest of all contiguous cuts, by dynamic programming. Gives lists of indices.
    """
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    cost = [0.0] + [float("inf")] * len(order)
    start_of = [0] * (len(order) + 1)
    for end in range(1, len(order) + 1):
        width = padded(lengths[order[end - 1]] - 1)
        for start in range(max(0, end - batch_size), end):
            total = cost[start] + (end - start) * width + _OVERHEAD
            if total < cost[end]:
                cost[end], start_of[end] = total, start
    pieces: list[list[int]] = []
    end = len(order)
    while end:
        pieces.append(order[start_of[end] : end])
        end = start_of[end]
    return pieces[::-1]


def padded(width: int) -> int:
    """Round a width up to the next multiple of 8."""
    return -(-width // PAD_TO) * PAD_TO


def collate(examples: Examples, rows: Sequence[int]) -> MicroBatch:
    """Put examples side by side, padded on the right. Padding is never a label."""
    lengths = [int(examples.bounds[row + 1] - examples.bounds[row]) for row in rows]
    shape = (len(rows), padded(max(lengths) - 1))
    inputs = np.zeros(shape, np.int32)
    targets = np.zeros(shape, np.int32)
    mask = np.zeros(shape, np.float32)
    for at, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        tokens = examples.example(row)
        inputs[at, : length - 1] = tokens[:-1]
        targets[at, : length - 1] = tokens[1:]
        mask[at, examples.first_label[row] - 1 : length - 1] = 1.0
    return MicroBatch(inputs, targets, mask, sum(lengths), int(mask.sum()))


def batches(examples: Examples, rows: Sequence[int], batch_size: int) -> list[MicroBatch]:
    """Cut these examples into micro-batches and collate them."""
    lengths = [int(examples.bounds[row + 1] - examples.bounds[row]) for row in rows]
    return [collate(examples, [rows[i] for i in piece]) for piece in cut(lengths, batch_size)]
