"""Rows with a better and a worse answer: the better one is trained on, after what was asked."""

from __future__ import annotations

import re
from typing import Any

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.shapes import conversations
from farense_worker.protocol.shapes.columns import Unfit, text
from farense_worker.protocol.shapes.conversations import Message
from farense_worker.protocol.shapes.shape import LISTS, Shape, Values, holds, said

# The better answer and the worse one, as programs and data sets name them.
_ASKED = ("prompt", "question", "instruction")
_MORE = ("input", "history", "system", "tools")
_SPEAKERS = re.compile(r"\n\n(Human|Assistant):")
_NAMES = (
    ("chosen", "rejected"),
    ("chosen_messages", "rejected_messages"),
    ("accepted", "rejected"),
    ("response_j", "response_k"),
)


def shape(values: Values) -> Shape | None:
    """Recognise a row of preferences: OpenAI's, TRL's, or a conversation with two answers."""
    if isinstance(values.get("input"), dict) and "preferred_output" in values:
        return Shape(
            _("an OpenAI row of preferences, of which the preferred answer can be trained on"),
            "input.messages, preferred_output",  # not translated: keys
            lambda v: conversations.chat(
                v["input"],
                conversations.openai([*v["input"].get("messages", []), *v["preferred_output"]]),
            ),
            frozenset({"input", "preferred_output", "non_preferred_output"}),
        )
    for better, worse in _NAMES:
        if not {better, worse} <= values.keys():
            continue
        return Shape(
            _("a row of preferences, of which the chosen answer can be trained on"),
            f"{better}, {worse}",  # not translated: keys
            lambda v, better=better: _chosen(v, v[better]),  # type: ignore[misc]
            frozenset({*LISTS, *_ASKED, *_MORE, better, worse}),
        )
    return None


def _chosen(values: Values, chosen: Any) -> Values:
    """Put the chosen answer after what was asked, which it may begin with itself."""
    key = next((key for key in (*LISTS, *_ASKED) if values.get(key)), "")
    asked = conversations.instructed(values) if key == "instruction" else values.get(key)
    if isinstance(chosen, str):
        if spoken := _spoken(chosen):
            return said(values, spoken)
        if not isinstance(asked, list):
            history = conversations.turns(values.get("history"))
            return conversations.pair(text(asked), chosen, text(values.get("system")), history)
        chosen = {"role": "assistant", "content": chosen}
    answer = _messages([chosen] if isinstance(chosen, dict) else chosen)
    if answer[0]["role"] == "assistant":
        if isinstance(asked, str):
            asked = [{"role": "user", "content": asked}]
        answer = [*_messages(asked), *answer]
    return said(values, answer)


def _spoken(dialogue: str) -> list[Message]:
    """Give the messages of a dialogue in one text, as Anthropic's sets have it; [] for none."""
    pieces = _SPEAKERS.split(dialogue)
    if len(pieces) < 5 or pieces[0].strip():  # nothing, Human, what it says, Assistant, ...
        return []
    roles = {"Human": "user", "Assistant": "assistant"}
    return [
        {"role": roles[who], "content": what.strip()}
        for who, what in zip(pieces[1::2], pieces[2::2], strict=True)
    ]


def _messages(given: Any) -> list[Message]:
    if not given:
        raise Unfit(_("an empty question"))
    read = conversations.sharegpt if holds(given, "from", "value") else conversations.openai
    return read(given)
