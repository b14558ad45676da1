"""What is put to a model: a question or a conversation, as its chat template has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from farense_worker.data.labels import template_errors

Turn = dict[str, str]  # role and content


def turn(role: str, content: str) -> Turn:
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
