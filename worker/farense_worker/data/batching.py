"""The micro-batches of a step: its examples side by side, as arrays.

Which examples a step has and how it is cut: protocol/plan. Cutting changes memory and speed,
never the mathematics, because the loss is normalised by the tokens of the whole step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from farense_worker.data.prepare import Examples
from farense_worker.data.shared_prefix import Shared
from farense_worker.protocol.plan.cutting import padded, rounded
from farense_worker.protocol.plan.prefix import NONE, Piece, pieces

Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Prefix:
    """What all rows of a micro-batch begin with: tokens (1, P).

    positions: (m,) where in it labels are predicted. Rows that predict the same one there count
    as one label of their weight.
    """

    tokens: Ints
    positions: Ints


@dataclass(frozen=True)
class MicroBatch:
    """What goes through the model at once.

    rows: which examples. inputs: (rows, width) tokens but the last of each row, and but the prefix.
    positions: (n,) where in the flattened inputs a label is predicted; targets: (m + n,) labels,
    those of the prefix first; mask: (m + n,) 1.0, or how often the label is there in a prefix, and
    0.0 for padding. `label_tokens` counts the labels. passes: how often the prefix goes through the
    model for them, 0 where its states are handed to them.
    """

    rows: tuple[int, ...]
    inputs: Ints
    positions: Ints
    targets: Ints
    mask: NDArray[np.float32]
    label_tokens: int
    prefix: Prefix | None = None
    passes: int = 1

    @property
    def tokens(self) -> int:
        """Count what is computed, padding included."""
        return int(self.inputs.size) + self.behind * self.passes

    @property
    def handed(self) -> bool:
        """Whether there is a prefix that is not computed with these rows."""
        return self.prefix is not None and not self.passes

    @property
    def behind(self) -> int:
        """Tokens of the prefix."""
        return self.prefix.tokens.size if self.prefix else 0

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """What the loss takes of each micro-batch, in its order."""
        return self.inputs, self.positions, self.targets, self.mask

    def arguments(
        self, entering: mx.array | None = None, before: mx.array | None = None
    ) -> list[Any]:
        """Make what the loss is called with.

        entering, before: activations of the rows and of the prefix, where layers are not computed.
        """
        found: list[Any] = [*map(mx.array, self.arrays), entering, None]
        if self.prefix:
            found[-1] = (mx.array(self.prefix.tokens), mx.array(self.prefix.positions), before, [])
        return found


def collate(
    examples: Examples, piece: Piece | Sequence[int], *, few_shapes: bool = False
) -> MicroBatch:
    """Put examples side by side, padded on the right. Padding is never a label.

    What all rows of a piece begin with is put apart; labels there go with the piece that computes
    it. few_shapes: the labels are padded too, for a compiled function.
    """
    piece = piece if isinstance(piece, Piece) else Piece(tuple(piece))
    rows, prefix = piece.rows, piece.prefix
    lengths = [int(examples.lengths[row]) for row in rows]
    width = padded(max(lengths) - 1 - prefix)
    inputs = np.zeros((len(rows), width), np.int32)
    positions, targets = list[Ints](), list[Ints]()
    within = Counter[tuple[int, int]]()
    for at, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        tokens, where = examples.example(row), examples.labels_of(row)
        inputs[at, : length - 1 - prefix] = tokens[prefix:-1]
        where = where[where > prefix]
        targets.append(tokens[where])
        # what predicts a label is the token before it
        positions.append((at * width - prefix - 1 + where).astype(np.int32))
    for row in () if piece.handed or not prefix else (*piece.before, *rows):
        tokens, where = examples.example(row), examples.labels_of(row)
        before = where[where <= prefix]
        within.update(zip((before - 1).tolist(), tokens[before].tolist(), strict=True))
    there = sorted(within)
    weights = np.array([within[each] for each in there], np.float32)
    own, its = np.concatenate(targets), np.array([target for _at, target in there], np.int32)
    of_prefix = _filled(np.array([at for at, _target in there], np.int32), few_shapes)
    of_rows = _filled(np.concatenate(positions), few_shapes)
    return MicroBatch(
        rows,
        inputs,
        of_rows,
        np.concatenate([_filled(its, few_shapes), _filled(own, few_shapes)]),
        np.concatenate(
            [_filled(weights, few_shapes), _filled(np.ones_like(own, np.float32), few_shapes)]
        ),
        len(own) + within.total(),
        Prefix(examples.example(rows[0])[None, :prefix], of_prefix) if prefix else None,
        piece.passes,
    )


def _filled(values: NDArray[Any], few_shapes: bool) -> NDArray[Any]:
    """Pad with zeros to one of few lengths; nothing stays nothing."""
    more = rounded(len(values)) - len(values) if few_shapes and len(values) else 0
    return np.pad(values, (0, more))


def cut(
    examples: Examples, rows: Sequence[int], budget: int, shared: Shared | None = None
) -> list[Piece]:
    """Cut these examples into what goes through the model at once; the pieces have their numbers.

    shared: what some of them begin with alike, where that is computed once.
    """
    lengths = [int(length) for length in examples.lengths[list(rows)]]
    groups = shared.of_row[list(rows)].tolist() if shared else [NONE] * len(rows)
    made = pieces(lengths, groups, shared.lengths if shared else (), budget)
    return [piece.named(rows) for piece in made]


def batches(
    examples: Examples,
    rows: Sequence[int],
    budget: int,
    shared: Shared | None = None,
    *,
    few_shapes: bool = False,
) -> list[MicroBatch]:
    """Cut these examples into micro-batches and collate them."""
    made = cut(examples, rows, budget, shared)
    return [collate(examples, piece, few_shapes=few_shapes) for piece in made]
