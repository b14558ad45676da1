"""The micro-batches of a step: its examples side by side, as arrays.

Which examples a step has and how it is cut: protocol/plan. Cutting changes memory and speed,
never the mathematics, because the loss is normalised by the tokens of the whole step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from farense_worker.data.prepare import Examples
from farense_worker.protocol.plan.cutting import cut, padded, rounded


@dataclass(frozen=True)
class MicroBatch:
    """What goes through the model at once.

    rows: which examples. inputs: (rows, width) tokens but the last of each row. positions: (n,)
    where in the flattened inputs a label is predicted; targets: (n,) those labels; mask: (n,) 1.0,
    and 0.0 for padding. `label_tokens` counts the labels.
    """

    rows: tuple[int, ...]
    inputs: NDArray[np.int32]
    positions: NDArray[np.int32]
    targets: NDArray[np.int32]
    mask: NDArray[np.float32]
    label_tokens: int

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """What the loss takes, in its order."""
        return self.inputs, self.positions, self.targets, self.mask


def collate(examples: Examples, rows: Sequence[int], *, few_shapes: bool = False) -> MicroBatch:
    """Put examples side by side, padded on the right. Padding is never a label.

    few_shapes: the labels are padded too, for a compiled function.
    """
    lengths = [int(examples.lengths[row]) for row in rows]
    width = padded(max(lengths) - 1)
    inputs = np.zeros((len(rows), width), np.int32)
    positions, targets = list[NDArray[np.int32]](), list[NDArray[np.int32]]()
    for at, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        tokens, where = examples.example(row), examples.labels_of(row)
        inputs[at, : length - 1] = tokens[:-1]
        targets.append(tokens[where])
        # what predicts a label is the token before it
        positions.append((at * width - 1 + where).astype(np.int32))
    labels = sum(len(part) for part in targets)
    padding = (0, rounded(labels) - labels if few_shapes else 0)
    return MicroBatch(
        tuple(rows),
        inputs,
        np.pad(np.concatenate(positions), padding),
        np.pad(np.concatenate(targets), padding),
        np.pad(np.ones(labels, np.float32), padding),
        labels,
    )


def batches(
    examples: Examples, rows: Sequence[int], budget: int, *, few_shapes: bool = False
) -> list[MicroBatch]:
    """Cut these examples into micro-batches and collate them."""
    lengths = [int(length) for length in examples.lengths[list(rows)]]
    return [
        collate(examples, [rows[i] for i in piece], few_shapes=few_shapes)
        for piece in cut(lengths, budget)
    ]
