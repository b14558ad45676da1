"""The same rows through mlx_lm's own functions, to compare with."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_map

from farense_worker.verify.subject import Gradient, Subject

# A row as mlx_lm takes it: its tokens up to its last label, and where its labels begin.
Row = tuple[list[int], int]


def rows(subject: Subject) -> list[Row]:
    """Give the subject's rows for mlx_lm, which takes all after the first label for labels."""
    found = []
    for row in subject.rows:
        where = subject.examples.labels_of(row)
        tokens = subject.examples.example(row)[: where[-1] + 1]
        found.append(([int(token) for token in tokens], int(where[0])))
    return found


def evaluated(subject: Subject) -> float:
    """Mean loss over all labels, each row's from mlx_lm's `evaluate`.

    Row by row and cut to its own length: mlx_lm pads to a multiple of 32 and counts one token of
    the padding as a label, and with no padding there is none.
    """
    from mlx_lm.tuner.trainer import evaluate

    total, labels = 0.0, 0
    for tokens, first in rows(subject):
        mean: Any = evaluate(subject.network, [(tokens, first)], 1, 1, max_seq_length=len(tokens))
        total += float(mean) * (len(tokens) - first)
        labels += len(tokens) - first
    return total / labels


def accumulated(subject: Subject) -> Gradient:
    """Accumulate as mlx_lm/tuner/trainer.py does: the mean of the micro-batches' means."""
    from mlx_lm.tuner.trainer import default_loss, iterate_batches

    function = nn.value_and_grad(subject.network, default_loss)
    found, total = rows(subject), None
    for row in found:
        ((batch, lengths),) = iterate_batches([row], 1, 2048)
        _loss, gradients = function(subject.network, batch, lengths)
        total = gradients if total is None else tree_map(mx.add, total, gradients)
        mx.eval(total)
    return dict(tree_flatten(tree_map(lambda g: g / len(found), total)))
