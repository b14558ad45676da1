"""What becomes of a row's text in the chat template: what is left out, what turns into a token."""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from farense_worker.model.chat_template import REASONING
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.rows import chat_rows

Message = dict[str, Any]
# Lines of which the first is indented, as those of a program may be.
_INDENTED = re.compile(r"[ \t]+\S.*\n\s*\S")
_A_NUMBER = 907_341_000_000  # that no template and no row has in it
# Keys of messages that are looked at elsewhere, or that say which message it is.
_KNOWN = {
    *("role", "content", "name", "tool_calls", "function_call", "tool_call_id", *REASONING),
    *("id", "uuid", "index", "date", "time", "timestamp", "created_at", "model", "metadata"),
    *chat_rows.MARKS,
    *chat_rows.UNREAD,
}
_THOUGHT = re.compile(r"</?think>")


def left_out(
    tokenizer: Any, messages: Sequence[Message], tools: Any, text: str, *, probe: bool = True
) -> dict[int, list[str]]:
    """Name what of each message is not in the text that the template made of it, by its index.

    A word that stands in the text for another reason hides that; so the template is also given
    the same conversation with marks for its texts, once for all rows of the same form. probe:
    whether the text is what the template makes of the whole conversation.
    """
    blind = _blind_spots(tokenizer, _marked(messages, tools)) if probe else frozenset()
    found: dict[int, list[str]] = {}
    collapsed = " ".join(text.split())
    for at, message in enumerate(messages):
        for part, (name, string) in enumerate(_parts(message)):
            if not _stands(string, text, collapsed) or (at, part) in blind:
                found.setdefault(at, []).append(name)
        whole = message["content"].rstrip()
        if _INDENTED.match(whole) and not any(way in text for way in _ways(whole)):
            found.setdefault(at, []).append(_("first indentation"))
    return {at: list(dict.fromkeys(names)) for at, names in found.items()}


def says(message: Message, text: str) -> bool:
    """Whether the text has an answer's words: what follows its thoughts, or its tool calls."""
    collapsed = " ".join(text.split())
    answer = answer_of(message)
    if answer.strip():
        return _stands(answer, text, collapsed)
    names = [name for call in message.get("tool_calls") or () if (name := _name(call))]
    return all(name in text for name in names)


def answer_of(message: Message) -> str:
    """Give what a message answers: what follows its thoughts, if they stand in its content."""
    return _THOUGHT.split(message["content"])[-1]


def leaves_out_tools(tools: Any, text: str) -> bool:
    """Whether the names of a row's tools are not in its text."""
    names = [str(tool.get("function", tool).get("name") or "") for tool in tools or ()]
    return not all(name in text for name in names)


def unread_keys(tokenizer: Any, message: Message) -> list[str]:
    """Name the keys of a message that no template of the model has a word for.

    Nothing where chats are put into words by a program, which may read any.
    """
    written = templates(tokenizer)
    return [
        key
        for key, value in message.items()
        if key not in _KNOWN and value not in ("", [], {}) and written and key not in written
    ]


def control_tokens(tokenizer: Any, messages: Sequence[Message]) -> dict[int, list[str]]:
    """Find control tokens in the messages' own words, by index: they become real ones."""
    pattern = _control(tokenizer)
    found = {}
    for at, message in enumerate(messages):
        strings = [string for _name, string in _parts(message)]
        if pattern and (here := pattern.findall("\n".join(strings))):
            found[at] = list(dict.fromkeys(here))
    return found


def _parts(message: Message) -> Iterator[tuple[str, str]]:
    """Give each string of a message that a template is to write, with what it is."""
    for piece in _THOUGHT.split(message["content"]):
        if piece.strip():
            yield _("text"), piece
    thought = next((message[key] for key in REASONING if message.get(key)), None)
    if isinstance(thought, str) and thought.strip():
        yield _("reasoning"), thought
    for call in message.get("tool_calls") or ():
        named = _("tool call {name}").format(name=_name(call))
        for string in (_name(call), *_leaves(_arguments(call))):
            if string.strip():
                yield named, string
    name = message.get("name")
    if isinstance(name, str) and message["role"] not in ("tool", "function"):
        yield _("name"), name
    if isinstance(message.get("function_call"), dict):
        yield _("function_call"), json.dumps(message["function_call"])


def _stands(string: str, text: str, collapsed: str) -> bool:
    """Whether a string is in the text: as it is, trimmed, in JSON, or spaced otherwise."""
    string = string.strip()
    return any(way in text for way in _ways(string)) or " ".join(string.split()) in collapsed


def _ways(string: str) -> tuple[str, ...]:
    """Give a string as it is, and as it stands in JSON."""
    return string, json.dumps(string)[1:-1], json.dumps(string, ensure_ascii=False)[1:-1]


def _name(call: Message) -> str:
    return str(call.get("function", call).get("name") or "")


def _arguments(call: Message) -> Any:
    return call.get("function", call).get("arguments")


def _leaves(value: Any) -> Iterator[str]:
    """Give the strings and whole numbers in arguments; how others are written is the template's."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    elif isinstance(value, str | int) and not isinstance(value, bool):
        yield str(value)


def _marked(messages: Sequence[Message], tools: Any) -> str:
    """Write the conversation with marks for its texts, as JSON: equal for rows of one form."""
    marked = []
    for at, message in enumerate(messages):
        each: Message = {"role": message["role"], "content": _mark(at, 0)}
        if not message["content"].strip():
            each["content"] = message["content"]
        elif "<think>" in message["content"]:
            each["content"] = f"<think>\n{_mark(at, 0)}\n</think>\n\n{_mark(at, 1)}"
        each |= {key: _mark(at, key) for key in (*REASONING, "name") if message.get(key)}
        numbers = itertools.count()
        calls = [_marked_call(call, at, numbers) for call in message.get("tool_calls") or ()]
        marked.append(each | ({"tool_calls": calls} if calls else {}))
    return json.dumps([marked, tools])


def _marked_call(call: Message, at: int, numbers: Iterator[int]) -> Message:
    """Write a call with marks for its arguments, which may stand in what was asked."""
    if isinstance(call.get("function"), dict):
        return {**call, "function": _marked_call(call["function"], at, numbers)}

    def marked(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: marked(each) for key, each in value.items()}
        if isinstance(value, list):
            return [marked(each) for each in value]
        if isinstance(value, str) and value.strip():
            return _mark(at, f"c{next(numbers)}")
        whole = isinstance(value, int) and not isinstance(value, bool)
        return _A_NUMBER + 1000 * at + next(numbers) if whole else value

    return {**call, "arguments": marked(call["arguments"])} if "arguments" in call else call


def _mark(at: int, part: object) -> str:
    return f"zq{at}{part}qz"


def _is_mark(string: str) -> bool:
    return string.startswith(("zq", str(_A_NUMBER)[:6]))


@functools.lru_cache(maxsize=512)
def _blind_spots(tokenizer: Any, conversation: str) -> frozenset[tuple[int, int]]:
    """Find the marks that the template does not write, as index of message and part."""
    from jinja2 import TemplateError

    messages, tools = json.loads(conversation)
    try:
        text = tokenizer.apply_chat_template(messages, tools=tools, tokenize=False)
    except (TemplateError, ValueError, TypeError, KeyError, IndexError, AttributeError):
        return frozenset()  # it minds what the texts are
    return frozenset(
        (at, part)
        for at, message in enumerate(messages)
        for part, (_name, string) in enumerate(_parts(message))
        if _is_mark(string.strip()) and string.strip() not in text
    )


@functools.lru_cache(maxsize=8)
def templates(tokenizer: Any) -> str:
    """Give the words of all chat templates, one after the other."""
    found = tokenizer.chat_template
    each = found.values() if isinstance(found, dict) else [found]
    return "\n".join(text for text in each if isinstance(text, str))


@functools.lru_cache(maxsize=8)
def special_ids(tokenizer: Any) -> frozenset[int]:
    """Give the ids of the control tokens."""
    return frozenset(tokenizer.all_special_ids) | {
        number for number, added in tokenizer.added_tokens_decoder.items() if added.special
    }


@functools.lru_cache(maxsize=8)
def _control(tokenizer: Any) -> re.Pattern[str] | None:
    special = special_ids(tokenizer)
    written = {tokenizer.decode([number], skip_special_tokens=False).strip() for number in special}
    written |= {
        str(added.content)
        for number, added in tokenizer.added_tokens_decoder.items()
        if number in special
    }
    longest_first = sorted(written - {""}, key=lambda token: (-len(token), token))
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
