"""What becomes of a row's text in the chat template: what is left out, what turns into a token."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from farense_worker.model.chat_template import REASONING
from farense_worker.protocol.language import gettext as _

Message = dict[str, Any]
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
    if isinstance(message.get("function_call"), dict):
        yield _("function_call"), json.dumps(message["function_call"])


def _stands(string: str, text: str, collapsed: str) -> bool:
    """Whether a string is in the text: as it is, trimmed, in JSON, or spaced otherwise."""
    string = string.strip()
    ways = (string, json.dumps(string)[1:-1], json.dumps(string, ensure_ascii=False)[1:-1])
    return any(way in text for way in ways) or " ".join(string.split()) in collapsed


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
        each |= {key: _mark(at, key) for key in REASONING if message.get(key)}
        calls = message.get("tool_calls")
        marked.append(each | ({"tool_calls": calls} if calls else {}))
    return json.dumps([marked, tools])


def _mark(at: int, part: object) -> str:
    return f"zq{at}{part}qz"


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
        if string.strip().startswith("zq") and string.strip() not in text
    )


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
