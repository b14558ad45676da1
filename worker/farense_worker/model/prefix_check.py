"""Whether a model gives the same behind a prefix as when every row has its own: computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from farense_worker.model import loss, prefix_cache
from farense_worker.model.loss import LabelLoss
from farense_worker.model.split_forward import UNLIKE

_TOKENS = 64  # of a prefix that both ways are computed of, where no window is in the way
AFTER = 8  # tokens of each row after it
# What the ways may be apart in, by rounding: relative, of numbers of 32 and of 16 bits.
_APART = {4: 1e-3, 2: 5e-2}


def part(model: nn.Module, length: int) -> int:
    """Tokens of a prefix that show whether it goes: all of them where a window ends in it."""
    return length if length + AFTER > prefix_cache.window(model) else min(length, _TOKENS)


def agrees(
    label_loss: LabelLoss,
    rows: Sequence[Any],
    length: int,
    entering: mx.array | None = None,
    *,
    gradient: bool,
) -> bool:
    """Compute two rows both ways, the loss and if wanted the gradient; whether it is the same.

    rows: tokens, of which the first `length` are alike. entering: their activations, where layers
    are not computed. gradient: not with dropout, by which it is another thing each time.
    """
    model, anatomy = label_loss.model, label_loss.anatomy
    width = min(length + AFTER, min(map(len, rows)) - 1)
    tokens = mx.array([[int(token) for token in row[: width + 1]] for row in rows])
    try:
        if anatomy is None:
            return False
        # some classes compute in a way that has a gradient only while they train
        model.train(gradient)
        before = None if entering is None else entering[:, :width]
        plain = _plain(label_loss, tokens, length, before, gradient)
        split = _split(label_loss, tokens, length, before, gradient)
        size = anatomy.body(mx.zeros((1, 8), mx.int32)).dtype.size
        return _apart(plain, split) < _APART[size]
    except UNLIKE:
        return False


def _plain(
    label_loss: LabelLoss, tokens: mx.array, length: int, entering: mx.array | None, gradient: bool
) -> list[mx.array]:
    """Compute rows (2, width + 1) as they are; all tokens after the first `length` are labels."""
    width, after = tokens.shape[1] - 1, tokens.shape[1] - 1 - length
    targets = tokens[:, length + 1 :].reshape(-1)
    at = mx.arange(len(targets), dtype=mx.int32)
    places = at % after + length + at // after * width
    batch = (tokens[:, :-1], places, targets, mx.ones(targets.shape), entering, None)
    if not gradient:
        return [label_loss(*batch, gradient=False)]
    way = loss.loss_and_gradient(label_loss.model, label_loss, compiled=False)
    return _leaves(way(mx.array(1.0), *batch))


def _split(
    label_loss: LabelLoss, tokens: mx.array, length: int, entering: mx.array | None, gradient: bool
) -> list[mx.array]:
    """Compute the first row from what the prefix has left, the second one with the prefix."""
    width, model, one = tokens.shape[1] - 1, label_loss.model, mx.array(1.0)
    nowhere, at = mx.zeros((0,), mx.int32), mx.arange(width - length, dtype=mx.int32)
    first = None if entering is None else entering[:1, :length]
    rest: Any = [None] * 2 if entering is None else entering[:, length:][:, None]
    rows: Any = tokens
    batches = [
        (row[None, length:-1], at, row[length + 1 :], mx.ones(at.shape), its)
        for row, its in zip(rows, rest, strict=True)
    ]
    prefix = (tokens[:1, :length], nowhere, first)
    left = label_loss.ahead((*prefix, []))
    if not gradient:
        handed = label_loss.behind(left, *batches[0], prefix[0], gradient=False)
        return [handed + label_loss(*batches[1], (*prefix, []), gradient=False)]
    behind = loss.behind_and_gradient(model, label_loss, compiled=False)
    alone = loss.loss_and_gradient(model, label_loss, compiled=False)
    value, gradients, back = behind(one, left, *batches[0], prefix[0])
    whole = alone(one, *batches[1], (*prefix, back))
    pairs = zip(_leaves((value, gradients)), _leaves(whole), strict=True)
    return [a + b for a, b in pairs]


def _leaves(tree: Any) -> list[mx.array]:
    return [leaf for _name, leaf in tree_flatten(tree)]


def _apart(one: list[mx.array], other: list[mx.array]) -> float:
    """How far two lists of arrays are apart: the norm of the difference, relative."""
    far = loss.norm({str(at): a - b for at, (a, b) in enumerate(zip(one, other, strict=True))})
    return loss.scalar(far / loss.norm({str(at): a for at, a in enumerate(one)}))
