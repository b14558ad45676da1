"""Which shape a row has, by which sign, and what makes one of ours of it.

The one home of what others' rows look like: `data check` names them by it, `data make` makes ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.shapes import columns, conversations, preferences
from farense_worker.protocol.shapes.columns import Unfit, text
from farense_worker.protocol.shapes.shape import (
    LISTS,
    Convert,
    Shape,
    Values,
    holds,
    listed,
    said,
)

_CELLS = (*LISTS, "tools", "contents")
# Cells that mostly are text, and a list that stands there as text may be just what is answered.
_ANSWERS = ("chosen", "rejected", "prompt", "completion")


def decoded(values: Values) -> Values:
    """Decode the cells that hold messages or tools as text, which is how tables keep them."""
    made = dict(values)
    for key, value in values.items():
        if key in (*_CELLS, *_ANSWERS):
            found = listed(value)
            said = holds(found, "role", "content") or holds(found, "from", "value")
            made[key] = found if said or key in _CELLS else value
    return made


def shape(values: Values) -> Shape | None:
    """Recognise a row; None where nothing tells, or several things do."""
    return answered(values) or _text(values)


def answered(values: Values) -> Shape | None:
    """Recognise a row that has an answer: all but text."""
    values = decoded(values)
    for found in (preferences.shape, _chat, _gemini, _trl, _alpaca, _pair):
        if made := found(values):
            return made
    return None


def _chat(values: Values) -> Shape | None:
    for key in LISTS:
        if found := _said_by(values.get(key)):
            return Shape(
                _("a ShareGPT row"),
                _("{key} with {who} and {said}").format(key=key, who=found[0], said=found[1]),
                _messages_of(key, conversations.sharegpt),
                frozenset({key, "system", "tools"}),
            )
        if holds(values.get(key), "role", "content") or (
            key == "messages" and holds(values.get(key), "role")
        ):
            parts = [each.get("content") for each in values[key] if isinstance(each, dict)]
            ours = key == "messages" and not values.get("system") and "functions" not in values
            ours = ours and all(conversations.own_parts(part) == (part, {}) for part in parts)
            name = _("a chat row") if key == "messages" else _('a row whose messages are its "{k}"')
            return Shape(
                name.format(k=key),
                _("{key} with role and content").format(key=key),
                _messages_of(key, conversations.openai),
                frozenset({key, "system", "tools", "functions"}),
                ours,
            )
        if turn := _turn(key, values.get(key)):
            return Shape(
                _('a row whose messages are its "{k}"').format(k=key),
                _("{key} with {who} and {said}").format(key=key, who=turn[0], said=turn[1]),
                _pairs_of(key, *turn),
                frozenset({key, "system", "tools"}),
            )
        # MT-Bench's turns are two questions: whoever means an answer by the second says so.
        turns = values.get(key) if key != "turns" else None
        if isinstance(turns, list) and len(turns) > 1 and all(isinstance(t, str) for t in turns):
            return Shape(
                _('a row whose messages are its "{k}"').format(k=key),
                _("{key} with question and answer in turn").format(key=key),
                _messages_of(key, conversations.strings),
                frozenset({key, "system", "tools"}),
            )
    return None


def _said_by(messages: Any) -> tuple[str, str] | None:
    """Give the keys of who says what, where they are ShareGPT's or a mixture of both."""
    if holds(messages, "role", "content"):
        return None
    keys = ((who, what) for who in conversations.WHO for what in conversations.SAID)
    return next(((who, what) for who, what in keys if holds(messages, who, what)), None)


def _turn(key: str, turns: Any) -> tuple[str, str] | None:
    """Give the keys of question and answer, where a conversation is a list of pairs of them."""
    if key in ("messages", "turns") or not holds(turns):
        return None
    asked = columns.named(turns[0], columns.QUESTION)
    said = columns.named(turns[0], columns.ANSWER)
    return (asked[0], said[0]) if len(asked) == len(said) == 1 else None


def _pairs_of(key: str, question: str, answer: str) -> Convert:
    return lambda values: said(values, conversations.pairs(values.get(key), question, answer))


def _messages_of(key: str, read: Callable[[Any], list[conversations.Message]]) -> Convert:
    return lambda values: said(values, read(values.get(key)))


def _gemini(values: Values) -> Shape | None:
    if not holds(values.get("contents"), "parts"):
        return None
    return Shape(
        _("a Gemini row"),
        _("contents with parts"),
        lambda v: conversations.chat({}, conversations.gemini(v)),
        frozenset({"contents", "systemInstruction", "system_instruction"}),
    )


def _trl(values: Values) -> Shape | None:
    if holds(values.get("prompt"), "role") and holds(values.get("completion"), "role"):
        return Shape(
            _("a row whose prompt and completion are messages"),
            _("prompt and completion with role and content"),
            lambda v: said(v, conversations.openai([*v["prompt"], *v["completion"]])),
            frozenset({"prompt", "completion", "system", "tools"}),
        )
    return None


def _alpaca(values: Values) -> Shape | None:
    if not {"instruction", "output"} <= values.keys():
        return None
    return Shape(
        _("an Alpaca row"),
        "instruction, output",  # not translated: keys
        _alpaca_pair,
        frozenset({"instruction", "input", "output", "system", "history"}),
    )


def _alpaca_pair(values: Values) -> Values:
    return conversations.pair(
        conversations.instructed(values),
        text(values.get("output")),
        text(values.get("system")),
        conversations.turns(values.get("history")),
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
    history = isinstance(values.get("history"), list)  # ms-swift's: what was said before
    made = pairs([*asked, *context], said[0], *system, history=history)
    ours = {"prompt", "completion"} <= values.keys() and not context and not system
    ours = ours and not (history and values["history"])
    return Shape(made.name, made.sign, made.convert, made.read, ours)


def pairs(questions: list[str], answer: str, system: str = "", *, history: bool = False) -> Shape:
    """Make the shape of rows whose question is these columns, joined, and whose answer is one.

    history: they have a column of this name with pairs of what was asked and answered before.
    """
    prompt = " + ".join(questions)
    name = _('a row whose question is "{prompt}" and whose answer is "{completion}"')

    def convert(values: Values) -> Values:
        asked = "\n\n".join(filter(None, (text(values.get(each)) for each in questions)))
        before = conversations.turns(values.get("history")) if history else ()
        given = text(values.get(system)) if system else ""
        return conversations.pair(asked, text(values.get(answer)), given, before)

    return Shape(
        name.format(prompt=prompt, completion=answer),
        _("the columns' names"),
        convert,
        frozenset({*questions, answer, system, *(["history"] if history else [])}),
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
    return Shape(
        _("a row of text"), sign, convert, frozenset({column}), column == "text", answered=False
    )


def messages(column: str) -> Shape:
    """Make the shape of rows whose messages are in this column, as whichever program keeps them."""

    def convert(values: Values) -> Values:
        renamed = {**values, "messages": listed(values.get(column))}
        found = _chat({"messages": renamed["messages"]})
        if not found:
            raise Unfit(_("no messages"))
        return found.convert(renamed)

    name = _('a row whose messages are its "{k}"').format(k=column)
    return Shape(name, _("as you say"), convert, frozenset({column, "system", "tools"}))
