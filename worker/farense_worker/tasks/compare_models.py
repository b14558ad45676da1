"""How alike two models are: their probabilities and their greedy answers on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from farense_worker.generate import decoding
from farense_worker.protocol.messages.export import Verified

_MOST_LABELS = 512
_TOKENS = 48


@dataclass(frozen=True)
class Question:
    """A row to compare on: all its tokens, where the labels begin, and the prompt to answer."""

    tokens: Sequence[int]
    first: int
    prompt: Sequence[int]


@dataclass(frozen=True)
class Behaviour:
    """What a model makes of the questions: (labels, vocabulary) log probabilities, answers."""

    chances: mx.array
    answers: list[str]


def behaviour(network: nn.Module, tokenizer: Any, questions: Sequence[Question]) -> Behaviour:
    """Look at a model: its log probabilities at the labels, in float32, and its answers."""
    rows, left = [], _MOST_LABELS
    for question in questions:
        first, last = question.first - 1, min(len(question.tokens) - 1, question.first - 1 + left)
        if left <= 0 or last <= first:
            continue
        logits = network(mx.array([list(question.tokens[:last])]))[0, first:].astype(mx.float32)
        rows.append(logits - mx.logsumexp(logits, axis=-1, keepdims=True))
        mx.eval(rows[-1])
        left -= last - first
    found = decoding.answers(
        network,
        tokenizer,
        [question.prompt for question in questions],
        batch_size=1,
        max_tokens=_TOKENS,
        tell=lambda _: None,
    )
    return Behaviour(mx.concatenate(rows), [each.text for each in found])


def compare(adapter: Behaviour, base: Behaviour, exported: Behaviour) -> Verified:
    """Say how much of what the adapter does is in what was exported."""
    effect = _divergence(adapter.chances, base.chances)
    error = _divergence(adapter.chances, exported.chances)
    same = mx.argmax(adapter.chances, -1) == mx.argmax(exported.chances, -1)
    pairs = zip(adapter.answers, exported.answers, strict=True)
    return Verified(
        answers=len(adapter.answers),
        answers_same=sum(one == other for one, other in pairs),
        tokens=int(same.size),
        tokens_same=int(same.sum().item()),  # type: ignore[arg-type]
        kept=1.0 - min(1.0, error / effect) if effect > 0 else float(error == 0),
        difference=error,
    )


def _divergence(one: mx.array, other: mx.array) -> float:
    """Mean Kullback-Leibler divergence over the labels, in nats; below 1e-9 it is rounding."""
    value: Any = (mx.exp(one) * (one - other)).sum(-1).mean().item()
    return float(value) if value > 1e-9 else 0.0
