"""The micro-batches of a step, one after the other: what each adds to its loss and gradient.

Those of a group come in a row, as protocol/plan/prefix.py cuts them: the first ones get the states
that the group's prefix has left, the last one computes the prefix itself and takes the gradient by
those states, of all of them, back through it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx

from farense_worker.data.batching import MicroBatch
from farense_worker.loop.checkpoint import random_key, set_random_key
from farense_worker.model import loss
from farense_worker.model.loss import Behind, Gradients, LabelLoss, Prefix


@dataclass
class Shares:
    """Called with each micro-batch in its turn, and with what `MicroBatch.arguments` makes of it.

    alone, behind: see loss.loss_and_gradient and loss.behind_and_gradient; without them there is no
    gradient.
    """

    label_loss: LabelLoss
    alone: Callable[..., tuple[mx.array, Gradients]] | None = None
    behind: Behind | None = None
    _left: list[mx.array] = field(default_factory=list, init=False)
    _back: list[mx.array] = field(default_factory=list, init=False)
    _key: tuple[int, int] = field(default=(0, 0), init=False)

    def begun(self) -> Shares:
        """Begin with another step: nothing is left of one that was broken off."""
        return Shares(self.label_loss, self.alone, self.behind)

    def gradient(
        self, weight: mx.array, batch: MicroBatch, arguments: list[Any]
    ) -> tuple[mx.array, Gradients]:
        """Compute its share of the step's loss and gradient, not yet evaluated."""
        assert self.alone is not None
        assert self.behind is not None
        if not batch.handed:
            if self._left:  # what the prefix drops, it drops both times
                set_random_key(self._key)
            if batch.prefix:
                *others, prefix = arguments
                arguments = [*others, (*prefix[:-1], self._back)]
            self._left, self._back = [], []
            return self.alone(weight, *arguments)
        *others, prefix = arguments
        self._ahead(prefix)
        share, gradients, back = self.behind(weight, self._left, *others, prefix[0])
        self._back = [a + b for a, b in zip(self._back, back, strict=True)] if self._back else back
        # From the last layer down, as the backward pass goes: a layer's gradient by the states is
        # there once for each row, and summed before the next layer's is computed.
        mx.eval(self._back[::-1], gradients, share)
        return share, gradients

    def value(self, batch: MicroBatch, arguments: list[Any]) -> float:
        """Compute the sum of its losses, without a gradient."""
        if not batch.handed:
            self._left = []
            return loss.scalar(self.label_loss(*arguments, gradient=False))
        *others, prefix = arguments
        self._ahead(prefix)
        behind: Callable[..., mx.array] = self.label_loss.behind
        found = behind(self._left, *others, prefix[0], gradient=False)
        return loss.scalar(found)

    def _ahead(self, prefix: Prefix) -> None:
        if not self._left:
            self._key = random_key()
            self._left = self.label_loss.ahead(prefix)
            mx.eval(self._left)
