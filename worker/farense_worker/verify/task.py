"""The task `verify`: everything that the trainer does otherwise than plainly, done both ways."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import mlx.core as mx

from farense_worker.model import dropout, model
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.task import Tell
from farense_worker.protocol.messages.verification import Compared, Done, Request, Untried
from farense_worker.verify import mlx_lm_loss
from farense_worker.verify.subject import Gradient, Subject, apart, distance, make

_CHUNK = 7  # label positions: of all but the smallest vocabularies a step of a few rows is one


class _Unlike(Exception):
    """What this model does not have to compare."""


def verify(asked: Request, tell: Tell) -> Done:
    """Compare one after the other; each is told when it is done."""
    say: Any = tell  # which writes any line
    subject = make(asked.profile, asked.rows)
    whole = subject.of_step(subject.ours())
    for name in asked.subjects:
        began = time.perf_counter()
        try:
            difference, of_loss = _COMPARISONS[name](subject, whole)
        except _Unlike as error:
            say(Untried(subject=name, why=str(error)))
            continue
        seconds = time.perf_counter() - began
        say(Compared(subject=name, difference=difference, loss=of_loss, seconds=seconds))
    return Done(
        device=model.device(),
        gpu=model.on_gpu(),
        architecture=str(mx.device_info().get("architecture", "")),
        dtype=str(model.dtype_of(subject.network)).rpartition(".")[2],
    )


Whole = tuple[float, Gradient]  # loss and gradient of the step, all rows at once, as it is trained


def _accumulated(subject: Subject, whole: Whole) -> tuple[float, float]:
    """Row by row, against all rows at once."""
    return _difference(subject.of_step(subject.ours(), 1), whole)


def _contrast(subject: Subject, whole: Whole) -> tuple[float, float]:
    """mlx_lm.lora's way: the mean of the rows' means."""
    return distance(mlx_lm_loss.accumulated(subject), whole[1]), 0.0


def _evaluate(subject: Subject, whole: Whole) -> tuple[float, float]:
    """The loss that mlx_lm's `evaluate` finds of the same labels."""
    difference = apart(whole[0], mlx_lm_loss.evaluated(subject))
    subject.network.train()
    return difference, difference


def _chunked_head(subject: Subject, whole: Whole) -> tuple[float, float]:
    """Label positions a few at a time with a backward pass of their own, against all logits."""
    if subject.parts is None:
        raise _Unlike(_("this kind of model does not come apart"))
    chunked = subject.of_step(subject.ours(chunk=_CHUNK))
    return _difference(chunked, subject.of_step(subject.plain()))


def _trunk(subject: Subject, whole: Whole) -> tuple[float, float]:
    """The upper half of the layers on stored activations, against all layers."""
    start = len(subject.network.layers) // 2
    parts = subject.parts
    if parts is None or not start:
        raise _Unlike(_("this kind of model does not come apart"))

    def entering(arrays: list[mx.array]) -> list[mx.array]:
        return [*arrays, mx.stop_gradient(parts.trunk(arrays[0], None, 0, start))]

    value, gradient = subject.of_step(subject.ours(start), more=entering)
    upper = [name for name in whole[1] if _layer(name) >= start]
    return distance(gradient, whole[1], upper), apart(value, whole[0])


def _layer(name: str) -> int:
    return next((int(part) for part in name.split(".") if part.isdigit()), -1)


def _compiled(subject: Subject, whole: Whole) -> tuple[float, float]:
    """mx.compile, against the same computed step by step."""
    return _difference(subject.of_step(subject.ours(), compiled=True), whole)


def _checkpointing(subject: Subject, whole: Whole) -> tuple[float, float]:
    """Activations computed again in the backward pass, against those that were kept."""
    kinds = {type(layer): type(layer).__call__ for layer in subject.network.layers}
    dropout.wrap_layers(subject.network, checkpointing=True)
    try:
        return _difference(subject.of_step(subject.ours()), whole)
    finally:
        for kind, call in kinds.items():
            kind.__call__ = call


def _difference(one: Whole, other: Whole) -> tuple[float, float]:
    return distance(one[1], other[1]), apart(one[0], other[0])


_COMPARISONS: dict[str, Callable[[Subject, Whole], tuple[float, float]]] = {
    "accumulated": _accumulated,
    "contrast": _contrast,
    "evaluate": _evaluate,
    "chunked_head": _chunked_head,
    "trunk": _trunk,
    "compiled": _compiled,
    "checkpointing": _checkpointing,
}
