"""What stands in a row and is not trained on, whatever the model's chat template does with it.

A row has more keys than are read; most of them are ids and sources. Some are read by others, so
that their owner counts on them: a system prompt beside the messages, a message marked as no label.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from farense_worker.data.conversation import Remark
from farense_worker.protocol.dataset import Row
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.rows import chat_rows
from farense_worker.protocol.settings.profile import Answers
from farense_worker.protocol.shapes import verdicts
from farense_worker.protocol.shapes.columns import blank

# Of a row with messages, or with a prompt and its completion.
_ROW_KEYS = (
    "system",
    "system_prompt",
    "history",
    "context",
    "documents",
    "input",
    "functions",
    "chat_template_kwargs",
    "images",
    "rejected",
)
_MESSAGE_KEYS = (
    "refusal",
    "thought",
    "thoughts",
    "reasoning_details",
    "images",
    "audio",
    "channel",
    "train_detail",
)
# Names that others have for who asks and who answers.
_ANSWERS = ("ai", "bot", "chatbot", "gpt", "model")
_QUESTIONS = ("human", "instruction", "prompter")


def remarks(row: Row, mask_prompt: bool, answers: Answers) -> Iterator[Remark]:
    """Give what the owner of a row should know of it before any tokenizer looks at it."""
    if row.kind == "text":
        if blank(row.values["text"]):
            yield Remark("empty_answer", _("the text is nothing but white space"))
        return
    for key in _unread(row.values, _ROW_KEYS):
        yield Remark("unread", _('the "{key}" of the row is not read').format(key=key))
    if row.values.get("weight", 1) in (0, False):
        yield Remark("unread", _('the "{key}" of the row is not read').format(key="weight"))
    if label := verdicts.bad(row.values):
        what = _('its "{key}" is {value}, as of a bad answer, and it is trained on all the same')
        yield Remark("label", what.format(key=label[0], value=label[1]))
    if row.kind == "completion" and row.values["completion"][:1].isspace():
        yield Remark("spaced", _("its completion begins with a space"))
    written = row.values.get("messages") or ()
    for number, message in enumerate(written, 1):
        for key in (*_unread(message, _MESSAGE_KEYS), *chat_rows.marks(message)):
            what = _('the "{key}" of message {number} ({role}) is not read')
            yield Remark("unread", what.format(key=key, number=number, role=message["role"]))
    messages, _tools = row.conversation()
    yield from _roles(messages, row, mask_prompt and answers == "all")
    for number, message in enumerate(messages, 1):
        empty = blank(message["content"]) and not message.get("tool_calls")
        if message["role"] == "assistant" and empty:
            what = _("message {number} (assistant) is empty")
            yield Remark("empty_answer", what.format(number=number))
        elif message["role"] == "assistant" and number > 1:
            asked = messages[number - 2]["content"]
            if asked.strip() and asked.strip() == message["content"].strip():
                what = _("message {number} (assistant) is the same as the one before it")
                yield Remark("echo", what.format(number=number))


def _unread(values: dict[str, Any], keys: tuple[str, ...]) -> list[str]:
    return [key for key in keys if values.get(key)]


def _roles(messages: list[dict[str, Any]], row: Row, all_answers: bool) -> Iterator[Remark]:
    """Tell of answers that are no labels: before any question, or by another name."""
    roles = [message["role"] for message in messages]
    if all_answers and roles[0] == "assistant" and "assistant" in roles[1:]:
        if 0 not in row.unweighted:
            what = _("message 1 (assistant) is no label: no question comes before it")
            yield Remark("unasked", what)
    for number, role in enumerate(roles, 1):
        name = role.strip().casefold()
        if name in (*_ANSWERS, "assistant") and role != "assistant":
            what = _('message {number} ({role}) is no answer: the role of answers is "assistant"')
        elif name in (*_QUESTIONS, "user") and role != "user":
            what = _('message {number} ({role}) is no question: the role of questions is "user"')
        else:
            continue
        yield Remark("role", what.format(number=number, role=role))
