"""Answers of the model as it is: greedy, so that they draw no random number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mlx.core as mx
from mlx_lm.generate import generate_step


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
    steps = generate_step(
        mx.array(prompt_tokens(tokenizer, question)),
        model,
        max_tokens=max_tokens,
        stream=mx.default_stream(mx.default_device()),
    )
    for token, _ in steps:
        if token in tokenizer.eos_token_ids:
            break
        detokenizer.add_token(token)
        yield detokenizer.last_segment
    detokenizer.finalize()
    yield detokenizer.last_segment


def answer(model: Any, tokenizer: Any, question: str, max_tokens: int) -> str:
    """Answer a question as a whole."""
    return "".join(stream(model, tokenizer, question, max_tokens)).strip()
