"""The loss: cross entropy over label tokens, and its gradient, in shares that add up exactly.

Logits are large: 4 bytes x positions x vocabulary, several times over. Only label positions need
any, and only for a moment: `head_loss` goes through them in chunks and keeps of each the loss and
its gradient by the hidden states. That needs a head without anything to train.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_map

from farense_worker.model import prefix_cache
from farense_worker.model.split_forward import Anatomy, Caches
from farense_worker.model.trainable import beside_the_layers
from farense_worker.protocol.plan.cutting import chunk_of

Gradients = dict[str, Any]
Head = Callable[[mx.array], mx.array]
Behind = Callable[..., tuple[mx.array, Gradients, list[mx.array]]]
# Tokens (1, P); positions (m,) where in them a label is predicted; the activations (1, P, H) that
# enter the first layer that is computed, where those below are not; and the gradient by the states
# that it leaves, of rows that were computed behind it before: empty where there were none.
Prefix = tuple[mx.array, mx.array, mx.array | None, list[mx.array]]


class LabelLoss:
    """Sum of -log p(target) over the label tokens of a micro-batch, in float32; a scalar.

    Called with inputs (rows, width), positions (n,): where in the flattened inputs a label is
    predicted, targets (n,) and mask (n,), 1.0 where that is a label and 0.0 for padding. With
    activations (rows, width, H), that enter layer `start`, the layers below are not computed.
    With a prefix, which comes before all rows and goes through the model once, the first targets
    are those of its positions. Further micro-batches may be computed `behind` the same prefix: from
    the states that it leaves, which `ahead` gives.
    """

    def __init__(
        self, model: nn.Module, anatomy: Anatomy | None, start: int = 0, chunk: int = 0
    ) -> None:
        """anatomy: None computes all logits, as for a model whose class is not known.

        Where more than layers is trained, such as the head, the logits of all labels are there at
        once. chunk: see head_loss.
        """
        self._chunk = chunk
        self.model = model
        self.anatomy = anatomy
        self._start = start
        self._frozen_head = not beside_the_layers(model)

    def __call__(
        self,
        inputs: mx.array,
        positions: mx.array,
        targets: mx.array,
        mask: mx.array,
        activations: mx.array | None = None,
        prefix: Prefix | None = None,
        *,
        gradient: bool = True,
    ) -> mx.array:
        """Compute the sum; gradient: whether it will be asked for.

        Raises TypeError for a prefix with a model whose caches cannot be handed on.
        """
        anatomy = self.anatomy
        if anatomy is None:
            logits = _at(self.model(inputs), positions).astype(mx.float32)
            return (nn.losses.cross_entropy(logits, targets) * mask).sum()
        if prefix is None:
            chosen = _at(self._hidden(anatomy, inputs, activations), positions)
            return self._loss(anatomy, chosen, targets, mask, gradient)
        tokens, within, entering, back = prefix
        caches = prefix_cache.empty(self.model)
        before = self._hidden(anatomy, tokens, entering, caches)
        left = prefix_cache.arrays(caches)
        caches = prefix_cache.handed_on(caches, tokens.shape[1], len(inputs))
        chosen = _at(self._hidden(anatomy, inputs, activations, caches), positions)
        if within.size:
            chosen = mx.concatenate([_at(before, within), chosen])
        total = self._loss(anatomy, chosen, targets, mask, gradient)
        if not back:
            return total
        parts = [(a.astype(mx.float32) * b).sum() for a, b in zip(left, back, strict=True)]
        pulled = sum(parts[1:], parts[0])
        return total + (pulled - mx.stop_gradient(pulled))  # its gradient, and not its value

    def ahead(self, prefix: Prefix) -> list[mx.array]:
        """Let a prefix go through the model: the states that it leaves. See `__call__`."""
        if self.anatomy is None:
            raise TypeError("no prefix without an anatomy")  # not translated: caught
        caches = prefix_cache.empty(self.model)
        self._hidden(self.anatomy, prefix[0], prefix[2], caches)
        return prefix_cache.arrays(caches)

    def behind(
        self,
        left: list[mx.array],
        inputs: mx.array,
        positions: mx.array,
        targets: mx.array,
        mask: mx.array,
        activations: mx.array | None,
        tokens: mx.array,
        *,
        gradient: bool = True,
    ) -> mx.array:
        """Compute the sum from the states that the prefix of these tokens has left."""
        if self.anatomy is None:
            raise TypeError("no prefix without an anatomy")  # not translated: caught
        caches = prefix_cache.filled(self.model, left)
        caches = prefix_cache.handed_on(caches, tokens.shape[1], len(inputs))
        chosen = _at(self._hidden(self.anatomy, inputs, activations, caches), positions)
        return self._loss(self.anatomy, chosen, targets, mask, gradient)

    def _loss(
        self, anatomy: Anatomy, chosen: mx.array, targets: mx.array, mask: mx.array, gradient: bool
    ) -> mx.array:
        if not targets.size:  # all labels of these rows are in their prefix
            return mx.array(0.0)
        if not self._frozen_head:
            logits = anatomy.head(chosen[None])[0].astype(mx.float32)
            return (nn.losses.cross_entropy(logits, targets) * mask).sum()
        return head_loss(anatomy.head, chosen, targets, mask, gradient=gradient, chunk=self._chunk)

    def _hidden(
        self, anatomy: Anatomy, inputs: mx.array, activations: mx.array | None, cache: Caches = None
    ) -> mx.array:
        if activations is None:
            return anatomy.body(inputs, cache)
        return anatomy.top(inputs, activations, self._start, cache)


def head_loss(
    head: Head,
    hidden: mx.array,
    targets: mx.array,
    mask: mx.array,
    *,
    gradient: bool = True,
    chunk: int = 0,
) -> mx.array:
    """Sum of cross entropy x mask, the logits computed chunk by chunk; a scalar in float32.

    head: (1, n, H) -> (1, n, V), with no trainable weight. hidden: (n, H). targets, mask: (n,).
    The gradient by the logits is softmax(logits) - onehot(target). chunk: positions at once, 0 for
    as many as cutting.chunk_of says.
    """

    @mx.custom_function
    def fused(hidden: mx.array) -> tuple[mx.array, mx.array]:
        total, parts = mx.array(0.0), list[mx.array]()
        vocabulary = head(hidden[None, :1]).shape[-1]
        size = chunk or chunk_of(len(hidden), vocabulary)
        for at in range(0, len(hidden), size):
            rows = hidden[at : at + size]
            if parts:  # one after the other, or the logits of all chunks would live at once
                rows = mx.depends([rows], [total, *parts[-1:] * gradient])[0]
            value, by_hidden = _chunk(head, rows, targets[at : at + size], mask[at : at + size])
            total = total + value
            parts.append(by_hidden)
        return total, mx.concatenate(parts)

    @fused.vjp
    def _(_primals: Any, cotangents: Any, outputs: Any) -> mx.array:
        by_hidden: mx.array = (outputs[1] * cotangents[0]).astype(outputs[1].dtype)
        return by_hidden

    outputs: Any = fused(hidden)
    total: mx.array = outputs[0]
    return total


def _chunk(
    head: Head, hidden: mx.array, targets: mx.array, mask: mx.array
) -> tuple[mx.array, mx.array]:
    """Give the loss of a chunk, and its gradient by the hidden states (n, H)."""
    logits = head(hidden[None])
    exact = logits[0].astype(mx.float32)
    # One exponential a logit: the most likely word's share is 1 / sum(exp(logits - largest)).
    probabilities = mx.softmax(exact, axis=-1)
    share = probabilities.max(axis=-1, keepdims=True)
    normaliser = exact.max(axis=-1, keepdims=True) - mx.log(share)
    index = targets[:, None]
    loss = (normaliser - mx.take_along_axis(exact, index, axis=-1))[:, 0]
    at_target = mx.take_along_axis(probabilities, index, axis=-1) - 1.0
    by_logits = mx.put_along_axis(probabilities, index, at_target, axis=-1) * mask[:, None]
    cotangent = by_logits.astype(logits.dtype)[None]
    _, (by_hidden,) = mx.vjp(lambda rows: head(rows[None]), [hidden], [cotangent])
    return (loss * mask).sum(), by_hidden


def _at(values: mx.array, positions: mx.array) -> mx.array:
    """Take (rows, width, ...) at flat positions; (n, ...)."""
    return values.reshape(-1, values.shape[-1])[positions]


def loss_and_gradient(
    model: nn.Module, label_loss: LabelLoss, compiled: bool
) -> Callable[..., tuple[mx.array, Gradients]]:
    """Make the function that gives a micro-batch's share of a step's loss and gradient.

    Its first argument is 1 / label tokens of the whole step, so shares are simply added: the sum
    is the token mean over the effective batch however that was cut. The gradient is scaled after
    the backward pass, in float32: before it, or added up in it, float16 would lose what is small.
    """
    function = nn.value_and_grad(model, label_loss)

    def share(weight: mx.array, *batch: Any) -> tuple[mx.array, Gradients]:
        value, gradients = function(*batch)
        return value * weight, tree_map(lambda g: g.astype(mx.float32) * weight, gradients)

    if not compiled:
        return share
    # The model is an output too: without it, it would keep the tracers of the compilation.
    state = [model.state, mx.random.state]
    return mx.compile(share, inputs=state, outputs=state)


def behind_and_gradient(model: nn.Module, label_loss: LabelLoss, compiled: bool) -> Behind:
    """Make the same of micro-batches behind a prefix: see LabelLoss.behind.

    Gives, third, the gradient by the states that the prefix has left, in float32 and not scaled: it
    is for the micro-batch that the prefix itself goes through the model with.
    """

    def loss(by: dict[str, Any], *batch: Any) -> mx.array:
        model.update(by["weights"])
        return label_loss.behind(by["left"], *batch)

    function = mx.value_and_grad(loss)

    def share(
        weight: mx.array, left: list[mx.array], *batch: Any
    ) -> tuple[mx.array, Gradients, list[mx.array]]:
        value, by = function({"weights": model.trainable_parameters(), "left": left}, *batch)
        exact = tree_map(lambda g: g.astype(mx.float32), by)
        scaled = tree_map(lambda g: g * weight, exact["weights"])
        return value * weight, scaled, exact["left"]

    if not compiled:
        return share
    state = [model.state, mx.random.state]
    made: Behind = mx.compile(share, inputs=state, outputs=state)
    return made


class ByShape:
    """A function that is compiled for the first so many shapes and computed eagerly for others.

    A compiled function is traced and kept for every shape that it is called with.
    """

    def __init__(self, most: int, told: Callable[[], None]) -> None:
        """Count shapes up to `most`; `told` is called once, when there are more."""
        self._most, self._told = most, told
        self._seen = set[tuple[Any, ...]]()
        self._full = False

    def choose(self, compiled: Callable[..., Any], eager: Callable[..., Any]) -> Callable[..., Any]:
        """Make a function that is one of these, by what it is called with."""

        def chosen(*arrays: Any) -> Any:
            shape = tuple(getattr(each, "shape", None) for _, each in tree_flatten(arrays))
            if shape not in self._seen:
                if len(self._seen) >= self._most:
                    if not self._full:
                        self._full = True
                        self._told()
                    return eager(*arrays)
                self._seen.add(shape)
            return compiled(*arrays)

        return chosen


def add(total: Gradients | None, more: Gradients) -> Gradients:
    return more if total is None else tree_map(mx.add, total, more)


def zeros(model: nn.Module) -> Gradients:
    return tree_map(lambda w: mx.zeros(w.shape, mx.float32), model.trainable_parameters())


def norm(gradients: Gradients) -> mx.array:
    """L2 norm over all of a gradient, in float32; a scalar."""
    squares = [g.astype(mx.float32).square().sum() for _, g in tree_flatten(gradients)]
    return mx.sqrt(sum(squares[1:], squares[0]))


def finite(parameters: Any) -> mx.array:
    """Whether all weights are finite numbers; a scalar."""
    return mx.all(mx.stack([mx.isfinite(value).all() for _, value in tree_flatten(parameters)]))


def clip(gradients: Gradients, length: float, most: float) -> Gradients:
    """Scale a gradient of this length down to at most `most`; 0 leaves it as it is.

    Pascanu, Mikolov and Bengio (2013), algorithm 1.
    """
    if not most or length <= most:
        return gradients
    return tree_map(lambda g: g * (most / length), gradients)


def scalar(value: mx.array) -> float:
    """Evaluate a scalar and give it with all its digits."""
    number: Any = value.item()
    return float(number)
