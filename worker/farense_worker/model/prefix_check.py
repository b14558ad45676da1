"""Whether a model gives the same behind a prefix as when every row has its own: computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from farense_worker.model import loss, prefix_cache
from farense_worker.model.loss import LabelLoss, Prefix
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
        way = nn.value_and_grad(model, label_loss) if gradient else label_loss
        ways = _ways(tokens, length, None if entering is None else entering[:, :width])
        plain, split = ([leaf for _name, leaf in tree_flatten([way(*each)])] for each in ways)
        size = anatomy.body(mx.zeros((1, 8), mx.int32)).dtype.size
        return _apart(plain, split) < _APART[size]
    except UNLIKE:
        return False


def _ways(tokens: mx.array, length: int, entering: mx.array | None) -> list[tuple[Any, ...]]:
    """Make what the loss is called with, as it is and with the first `length` tokens apart.

    All tokens (2, width + 1) after those are labels.
    """
    width = tokens.shape[1] - 1
    first = None if entering is None else entering[:1, :length]
    rest = None if entering is None else entering[:, length:]
    targets = tokens[:, length + 1 :].reshape(-1)
    within, after = mx.arange(len(targets), dtype=mx.int32), width - length
    places = within % after + length + within // after * width
    mask = mx.ones(targets.shape)
    prefix: Prefix = (tokens[:1, :length], mx.zeros((0,), mx.int32), first)
    return [
        (tokens[:, :-1], places, targets, mask, entering, None),
        (tokens[:, length:-1], within, targets, mask, rest, prefix),
    ]


def _apart(one: list[mx.array], other: list[mx.array]) -> float:
    """How far two lists of arrays are apart: the norm of the difference, relative."""
    far = loss.norm({str(at): a - b for at, (a, b) in enumerate(zip(one, other, strict=True))})
    return loss.scalar(far / loss.norm({str(at): a for at, a in enumerate(one)}))
