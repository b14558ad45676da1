"""Answers of the model as it is: greedy, so that they draw no random number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import mlx.core as mx

from worker.mlxlm import make_prompt_cache

_PREFILL = 512  # tokens of a prompt that go through at once


def prompt_tokens(tokenizer: Any, question: str) -> list[int]:
    """Tokens of a question as the model's chat template puts it, ready to be answered."""
    if not tokenizer.chat_template:
        return list(tokenizer.encode(question))
    messages = [{"role": "user", "content": question}]
    return list(
        tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    )


def stream(model: Any, tokenizer: Any, question: str, max_tokens: int) -> Iterator[str]:
    """Answer a question greedily, piece by piece; ends with the turn or after `max_tokens`.

    mlx_lm's stream_generate is not used because it raises the wired limit to the maximum.
    """
    detokenizer = tokenizer.detokenizer
    detokenizer.reset()
    for token in greedy(model, prompt_tokens(tokenizer, question), max_tokens):
        if token in tokenizer.eos_token_ids:
            break
        detokenizer.add_token(token)
        yield detokenizer.last_segment
    detokenizer.finalize()
    yield detokenizer.last_segment


def greedy(model: Any, prompt: Sequence[int], max_tokens: int) -> Iterator[int]:
    """Give the likeliest next token, again and again; the first follows the prompt."""
    cache = make_prompt_cache(model)
    tokens = mx.array(list(prompt))[None]
    while tokens.shape[1] > 1:  # all but the last token: their logits are never computed
        width = min(_PREFILL, tokens.shape[1] - 1)
        model(tokens[:, :width], cache=cache)
        mx.eval([each.state for each in cache])
        tokens = tokens[:, width:]
    for _ in range(max_tokens):
        tokens = mx.argmax(model(tokens, cache=cache)[:, -1:], axis=-1)
        token: Any = tokens.item()
        yield int(token)


def answer(model: Any, tokenizer: Any, question: str, max_tokens: int) -> str:
    """Answer a question as a whole."""
    return "".join(stream(model, tokenizer, question, max_tokens)).strip()
