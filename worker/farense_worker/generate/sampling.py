"""Answers of the model as it is: greedy, so that they draw no random number, unless asked to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import mlx.core as mx

from farense_worker.data.labels import template_errors
from farense_worker.model.compat import make_prompt_cache

_PREFILL = 512  # tokens of a prompt that go through at once
Turn = dict[str, str]  # role and content


def turn(role: str, content: str) -> Turn:
    """Make one turn of a conversation."""
    return {"role": role, "content": content}


def prompt_tokens(
    tokenizer: Any, asked: str | Sequence[Turn], system: str | None = None
) -> list[int]:
    """Tokens of a question, or of a conversation, as the model's chat template puts it.

    It is ready to be answered. system: the message before it, None for none. Without a template
    there is no conversation: the last turn counts.
    """
    turns = [turn("user", asked)] if isinstance(asked, str) else list(asked)
    if not tokenizer.chat_template:
        return list(tokenizer.encode(turns[-1]["content"]))
    if system is not None:
        turns.insert(0, turn("system", system))
    return list(tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False))


def takes_system(tokenizer: Any) -> bool:
    """Whether a system message comes through the chat template, which is asked with two."""
    try:
        return prompt_tokens(tokenizer, "?", "a") != prompt_tokens(tokenizer, "?", "b")
    except template_errors():
        return False


def stream(
    model: Any, tokenizer: Any, question: str, max_tokens: int, system: str | None = None
) -> Iterator[str]:
    """Answer a question greedily, piece by piece; ends with the turn or after `max_tokens`.

    system: the message before it, None for none.
    mlx_lm's stream_generate is not used because it raises the wired limit to the maximum.
    """
    detokenizer = tokenizer.detokenizer
    detokenizer.reset()
    for token in tokens(model, prompt_tokens(tokenizer, question, system), max_tokens):
        if token in tokenizer.eos_token_ids:
            break
        detokenizer.add_token(token)
        yield detokenizer.last_segment
    detokenizer.finalize()
    yield detokenizer.last_segment


def tokens(
    model: Any, prompt: Sequence[int], max_tokens: int, *, temperature: float = 0.0, seed: int = 0
) -> Iterator[int]:
    """Give the next token, again and again; the first follows the prompt.

    temperature: 0 takes the likeliest one, else it is drawn from softmax(logits / temperature)
    with a key of its own, so that nothing else's random numbers change.
    """
    cache = make_prompt_cache(model)
    fed = mx.array(list(prompt))[None]
    while fed.shape[1] > 1:  # all but the last token: their logits are never computed
        width = min(_PREFILL, fed.shape[1] - 1)
        model(fed[:, :width], cache=cache)
        mx.eval([each.state for each in cache])
        fed = fed[:, width:]
    key = mx.random.key(seed)
    for _ in range(max_tokens):
        logits = model(fed, cache=cache)[:, -1:]
        if temperature:
            key, own = mx.random.split(key)
            fed = mx.random.categorical(logits.astype(mx.float32) / temperature, key=own)
        else:
            fed = mx.argmax(logits, axis=-1)
        token: Any = fed.item()
        yield int(token)


def answer(
    model: Any, tokenizer: Any, question: str, max_tokens: int, system: str | None = None
) -> str:
    """Answer a question as a whole; see `stream`."""
    return "".join(stream(model, tokenizer, question, max_tokens, system)).strip()
