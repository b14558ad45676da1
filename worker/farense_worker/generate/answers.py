"""Greedy answers to many questions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from farense_worker.model.compat import make_prompt_cache

_PREFILL = 512


@dataclass(frozen=True)
class Answered:
    """An answer; cut_off: it had reached the most tokens before its end."""

    text: str
    cut_off: bool


def answers(
    model: nn.Module,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    *,
    batch_size: int,
    max_tokens: int,
    tell: Callable[[int], None],
) -> list[Answered]:
    """Answer each prompt (token ids) greedily; `tell` is called with how many are done.

    Prompts of one length go together, so that none has to be padded: a padded one would need a
    mask, which not every model takes, and without one its answer would be another.
    """
    end = set(tokenizer.eos_token_ids)
    by_length: dict[int, list[int]] = defaultdict(list)
    for number, prompt in enumerate(prompts):
        by_length[len(prompt)].append(number)
    found: dict[int, Answered] = {}
    for _, numbers in sorted(by_length.items()):
        for start in range(0, len(numbers), batch_size):
            together = numbers[start : start + batch_size]
            lines = _greedy(model, [prompts[n] for n in together], end, max_tokens)
            for number, line in zip(together, lines, strict=True):
                stop = next((at for at, token in enumerate(line) if token in end), len(line))
                text = tokenizer.decode(line[:stop], skip_special_tokens=True).strip()
                found[number] = Answered(text, stop == len(line))
            tell(len(found))
    return [found[number] for number in range(len(prompts))]


def _greedy(
    model: nn.Module, prompts: Sequence[Sequence[int]], end: set[int], max_tokens: int
) -> list[list[int]]:
    """Continue prompts of one length side by side until each has had its end token."""
    cache = make_prompt_cache(model)
    tokens = mx.array([list(prompt) for prompt in prompts])
    while tokens.shape[1] > 1:  # all but the last token: their logits are never computed
        width = min(_PREFILL, tokens.shape[1] - 1)
        model(tokens[:, :width], cache=cache)
        mx.eval([each.state for each in cache])
        tokens = tokens[:, width:]
    lines: list[list[int]] = [[] for _ in prompts]
    ended = [False] * len(prompts)
    for _ in range(max_tokens):
        tokens = mx.argmax(model(tokens, cache=cache)[:, -1], axis=-1)[:, None]
        chosen: Any = tokens[:, 0].tolist()
        for at, token in enumerate(chosen):
            lines[at].append(token)
            ended[at] = ended[at] or token in end
        if all(ended):
            break
    return lines
