"""How alike two models are: their probabilities and their greedy answers on the same rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from farense_worker.data import labels
from farense_worker.generate import decoding
from farense_worker.protocol import dataset
from farense_worker.protocol.dataset import Row
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.export import Request, Verified

_QUESTIONS = 16
_MOST_LABELS = 512
_TOKENS = 48
_SECONDS = 60  # of answers; the one that is being given is finished


@dataclass(frozen=True)
class Question:
    """A row to compare on: all its tokens, where the labels begin, and the prompt to answer."""

    tokens: Sequence[int]
    first: int
    prompt: Sequence[int]


@dataclass(frozen=True)
class Behaviour:
    """What a model makes of the questions: (labels, vocabulary) log probabilities, answers.

    answers: to the first questions, as many as there was time for.
    """

    chances: mx.array
    answers: list[str]


def questions(tokenizer: Any, asked: Request) -> list[Question]:
    """Take rows of the test set, else of the validation set, else what the profile asks.

    Raises FarenseError (refused) where no row has a label within the longest length.
    """
    found: list[Question] = []
    how = (asked.mask_prompt, asked.answers, asked.append_end)
    for row, encoded in labels.encode_all(tokenizer, _rows(asked), *how):
        if isinstance(encoded, labels.Encoded) and encoded.first < len(encoded.tokens):
            tokens = list(encoded.tokens)[: asked.max_seq_length]
            if encoded.first < len(tokens):
                found.append(Question(tokens, encoded.first, _prompt(tokenizer, row, tokens)))
    if not found:
        raise refused(
            _("there is no row to compare the models on"),
            asked.data,
            _("It takes rows of test.jsonl or valid.jsonl."),
            kind="data",
        )
    return found


def _rows(asked: Request) -> list[Row]:
    for split in ("test", "valid", "train"):
        path = Path(asked.data) / f"{split}.jsonl"
        if path.is_file():
            read = dataset.scan(path, asked.features)
            rows = [found for found in read if isinstance(found, Row)]
            if rows:
                return rows[:_QUESTIONS]
    return [Row(0, "text", {"text": prompt}) for prompt in asked.prompts or ("?",)]


def _prompt(tokenizer: Any, row: Row, tokens: list[int]) -> list[int]:
    if row.kind == "text":
        return tokens[: max(1, len(tokens) // 2)]
    messages, tools = row.conversation()
    return list(
        tokenizer.apply_chat_template(
            messages[:-1], tools=tools, add_generation_prompt=True, return_dict=False
        )
    )


def behaviour(
    network: nn.Module,
    tokenizer: Any,
    questions: Sequence[Question],
    *,
    most: int,
    tell: Callable[[int], None],
) -> Behaviour:
    """Look at a model: its log probabilities at the labels, in float32, and its answers.

    most: answers at most. tell is called with how many there are.
    """
    rows, left = [], _MOST_LABELS
    for question in questions:
        first, last = question.first - 1, min(len(question.tokens) - 1, question.first - 1 + left)
        if left <= 0 or last <= first:
            continue
        logits = network(mx.array([list(question.tokens[:last])]))[0, first:].astype(mx.float32)
        rows.append(logits - mx.logsumexp(logits, axis=-1, keepdims=True))
        mx.eval(rows[-1])
        left -= last - first
    prompts = [question.prompt for question in questions[:most]]
    return Behaviour(mx.concatenate(rows), _answers(network, tokenizer, prompts, tell))


def _answers(
    network: nn.Module,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    tell: Callable[[int], None],
) -> list[str]:
    found: list[str] = []
    if not prompts:
        return found
    began = time.monotonic()
    for answer in decoding.answer_each(network, tokenizer, prompts, _TOKENS):
        found.append(answer)
        tell(len(found))
        if time.monotonic() - began >= _SECONDS:
            break
    return found


def compare(adapter: Behaviour, base: Behaviour, exported: Behaviour, questions: int) -> Verified:
    """Say how much of what the adapter does is in what was exported.

    Compared are the answers that both have given, of `questions`.
    """
    effect = _divergence(adapter.chances, base.chances)
    error = _divergence(adapter.chances, exported.chances)
    same = mx.argmax(adapter.chances, -1) == mx.argmax(exported.chances, -1)
    pairs = list(zip(adapter.answers, exported.answers, strict=False))
    return Verified(
        questions=questions,
        answers=len(pairs),
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
