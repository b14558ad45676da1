"""Which shape a row has, by which sign, and what makes one of ours of it.

The one home of what others' rows look like: `data check` names them by it, `data make` makes ours.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.shapes import columns, conversations
from farense_worker.protocol.shapes.columns import Unfit, text

Values = dict[str, Any]
Convert = Callable[[Values], Values]
_LISTS = ("messages", "conversations", "conversation", "dialog", "dialogue", "turns")


@dataclass(frozen=True)
class Shape:
    """name: as it is told, `{name}`: "an Alpaca row". sign: by what it is known.

    convert: makes a row of ours, or raises Unfit. read: the keys that it looks at.
    ours: rows of it are trained on as they are.
    """

    name: str
    sign: str
    convert: Convert
    read: frozenset[str] = frozenset()
    ours: bool = False


def decoded(values: Values) -> Values:
    """Decode the cells that hold messages or tools as text, which is how tables keep them."""
    made = dict(values)
    for key, value in values.items():
        if key in (*_LISTS, "tools", "contents", "chosen", "rejected", "prompt", "completion"):
            made[key] = _list(value)
    return made


def shape(values: Values) -> Shape | None:
    """Recognise a row; None where nothing tells, or several things do."""
    values = decoded(values)
    for found in (_chat, _openai_preferences, _gemini, _trl, _alpaca, _pair, _text):
        if made := found(values):
            return made
    return None


def _chat(values: Values) -> Shape | None:
    for key in _LISTS:
        if _holds(values.get(key), "from", "value"):
            return Shape(
                _("a ShareGPT row"),
                _("{key} with from and value").format(key=key),
                _messages_of(key, conversations.sharegpt),
                frozenset({key, "system", "tools"}),
            )
        if _holds(values.get(key), "role", "content") or (
            key == "messages" and _holds(values.get(key), "role")
        ):
            ours = key == "messages" and not values.get("system") and "functions" not in values
            name = _("a chat row") if key == "messages" else _('a row whose messages are its "{k}"')
            return Shape(
                name.format(k=key),
                _("{key} with role and content").format(key=key),
                _messages_of(key, conversations.openai),
                frozenset({key, "system", "tools", "functions"}),
                ours,
            )
        turns = values.get(key)
        if isinstance(turns, list) and len(turns) > 1 and all(isinstance(t, str) for t in turns):
            return Shape(
                _('a row whose messages are its "{k}"').format(k=key),
                _("{key} with question and answer in turn").format(key=key),
                _messages_of(key, conversations.strings),
                frozenset({key, "system", "tools"}),
            )
    return None


def _messages_of(key: str, read: Callable[[Any], list[conversations.Message]]) -> Convert:
    return lambda values: _said(values, read(values.get(key)))


def _openai_preferences(values: Values) -> Shape | None:
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
    return None


def _gemini(values: Values) -> Shape | None:
    if not _holds(values.get("contents"), "parts"):
        return None
    return Shape(
        _("a Gemini row"),
        _("contents with parts"),
        lambda v: conversations.chat({}, conversations.gemini(v)),
        frozenset({"contents", "systemInstruction", "system_instruction"}),
    )


def _trl(values: Values) -> Shape | None:
    if _holds(values.get("prompt"), "role") and _holds(values.get("completion"), "role"):
        return Shape(
            _("a row whose prompt and completion are messages"),
            _("prompt and completion with role and content"),
            lambda v: _said(v, conversations.openai([*v["prompt"], *v["completion"]])),
            frozenset({"prompt", "completion", "system", "tools", "label"}),
        )
    if {"chosen", "rejected"} <= values.keys():
        return Shape(
            _("a row of preferences, of which the chosen answer can be trained on"),
            "chosen, rejected",  # not translated: keys
            _chosen,
            frozenset({"prompt", "chosen", "rejected", "system", "tools"}),
        )
    return None


def _chosen(values: Values) -> Values:
    prompt, chosen = values.get("prompt"), values["chosen"]
    if isinstance(chosen, str):
        return conversations.pair(text(prompt), chosen, text(values.get("system")))
    return _said(
        values, conversations.openai([*(prompt if isinstance(prompt, list) else []), *chosen])
    )


def _alpaca(values: Values) -> Shape | None:
    if not {"instruction", "output"} <= values.keys():
        return None
    return Shape(
        _("an Alpaca row"),
        "instruction, output",  # not translated: keys
        lambda v: conversations.pair(
            "\n\n".join(filter(None, (text(v.get("instruction")), text(v.get("input"))))),
            text(v.get("output")),
            text(v.get("system")),
            _list(v.get("history")),
        ),
        frozenset({"instruction", "input", "output", "system", "history"}),
    )


def _pair(values: Values) -> Shape | None:
    """One column that is named as questions are, and one as answers are."""
    context = columns.named(values, columns.CONTEXT)
    asked = columns.named(values, columns.QUESTION)
    said = columns.named(values, columns.ANSWER)
    if len(asked) == 2 and "instruction" in asked and "input" in asked:
        context, asked = ["input"], ["instruction"]
    if len(asked) != 1 or len(said) != 1:
        if not {"prompt", "completion"} <= values.keys():
            return None
        asked, said = ["prompt"], ["completion"]
    if len(context) > 1:
        return None
    system = columns.named(values, columns.SYSTEM)[:1]
    made = pairs([*asked, *context], said[0], *system)
    ours = {"prompt", "completion"} <= values.keys() and not context and not system
    return Shape(made.name, made.sign, made.convert, made.read, ours)


def pairs(questions: list[str], answer: str, system: str = "") -> Shape:
    """Make the shape of rows whose question is these columns, joined, and whose answer is one."""
    prompt = " + ".join(questions)
    name = _('a row whose question is "{prompt}" and whose answer is "{completion}"')

    def convert(values: Values) -> Values:
        if values.get("label") is False:
            raise Unfit(_("an answer that is labelled as a bad one"))
        asked = "\n\n".join(filter(None, (text(values.get(each)) for each in questions)))
        return conversations.pair(
            asked, text(values.get(answer)), text(values.get(system)) if system else ""
        )

    return Shape(
        name.format(prompt=prompt, completion=answer),
        _("the columns' names"),
        convert,
        frozenset({*questions, answer, system, "label"}),
    )


def _text(values: Values) -> Shape | None:
    found = columns.named(values, columns.TEXT)
    if len(found) != 1 or (len(values) > 1 and found[0] != "text"):
        return None
    return texts(found[0])


def texts(column: str) -> Shape:
    """Make the shape of rows that are text as it is, without question and answer."""

    def convert(values: Values) -> Values:
        if not (said := text(values.get(column))).strip():
            raise Unfit(_("an empty text"))
        return {"text": said}

    sign = _('the column "{column}"').format(column=column)
    return Shape(_("a row of text"), sign, convert, frozenset({column}), column == "text")


def messages(column: str) -> Shape:
    """Make the shape of rows whose messages are in this column, as whichever program keeps them."""

    def convert(values: Values) -> Values:
        renamed = {**values, "messages": _list(values.get(column))}
        found = _chat({"messages": renamed["messages"]})
        if not found:
            raise Unfit(_("no messages"))
        return found.convert(renamed)

    name = _('a row whose messages are its "{k}"').format(k=column)
    return Shape(name, _("as you say"), convert, frozenset({column, "system", "tools"}))


def _said(values: Values, messages: list[conversations.Message]) -> Values:
    return conversations.chat(values, conversations.with_system(values, messages))


def _holds(messages: Any, *keys: str) -> bool:
    """Whether these are messages with such keys."""
    first = messages[0] if isinstance(messages, list) and messages else None
    return isinstance(first, dict) and set(keys) <= first.keys()


def _list(value: Any) -> Any:
    """Decode a list of objects that is kept as text, JSON or as Python writes it."""
    if not isinstance(value, str) or not value.lstrip().startswith("[{"):
        return value
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return found if isinstance(found, list) else value
    return value
