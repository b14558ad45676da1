"""Rows into which the chat template writes a date."""

from __future__ import annotations

from typing import Any

from farense_worker.data.labels import template_errors
from farense_worker.model.chat_template import DAY
from farense_worker.protocol.dataset import Row
from farense_worker.protocol.language import gettext as _


def remark(tokenizer: Any, row: Row) -> str:
    """Say it of a row with a date in it; else nothing."""
    if row.kind == "text":
        return ""
    if not writes(tokenizer, *row.conversation()):
        return ""
    return _(
        "the chat template writes the date: rows have the one on which their run was made, "
        "questions that of the day they are asked on"
    )


def writes(tokenizer: Any, messages: list[dict[str, Any]], tools: Any = None) -> bool:
    """Whether the chat template writes a date into this conversation."""
    said = set()
    try:
        for seconds in (1e9, 1.3e9):  # of 2001 and 2011
            with DAY.kept(seconds):
                made = tokenizer.apply_chat_template(
                    messages, tools=tools, tokenize=False, return_dict=False
                )
                said.add(str(made))
    except template_errors():
        return False
    return len(said) > 1
