"""Marks of chat templates that are written in a text: the model's own template writes its own."""

from __future__ import annotations

import re
from typing import Any

from farense_worker.data import row_text
from farense_worker.protocol.dataset import Row

# Of ChatML, Llama 2 and 3, Gemma, Phi and Zephyr; then what sets of Alpaca, Vicuna and Anthropic
# write before what is said.
_TOKENS = re.compile(
    r"<\|(?:im_start|im_end|start_header_id|end_header_id|eot_id|endoftext|user|assistant|system"
    r"|end)\|>|\[/?INST\]|<</?SYS>>|</?start_of_turn>|<end_of_turn>|</?s>"
)
_HEADINGS = re.compile(
    r"^(?:### (?:Instruction|Response|Input|Human|Assistant|User)|Human|Assistant|USER|ASSISTANT):",
    re.MULTILINE,
)


def foreign(tokenizer: Any, row: Row) -> list[str]:
    """Give the marks in a row's text that are no tokens of this model: it reads them as letters.

    Headings are told of rows that go through a template; of text they are its own form.
    """
    text = row.values["text"] if row.kind == "text" else "\n".join(_contents(row))
    own = row_text.templates(tokenizer) if row.kind == "text" else ""  # some write them in letters
    found = [
        mark
        for mark in dict.fromkeys(_TOKENS.findall(text))
        if mark not in own and not _known(tokenizer, mark)
    ]
    return found if row.kind == "text" else found + list(dict.fromkeys(_HEADINGS.findall(text)))


def _contents(row: Row) -> list[str]:
    return [str(message["content"]) for message in row.conversation()[0]]


def _known(tokenizer: Any, mark: str) -> bool:
    """Whether it is one token."""
    return len(tokenizer.encode(mark, add_special_tokens=False)) == 1
