"""Messages and tools as they stand in rows, and as chat templates are to be given them.

Rows come out of many programs: with keys that are null, content in parts, tool arguments as JSON
in a string. mlx_lm.server reads all of these; a chat template would write "None" or quote twice.
"""

from __future__ import annotations

import json
from typing import Any

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.rows import padding

Message = dict[str, Any]
_TEXT_PARTS = ("text", "input_text", "output_text")  # of OpenAI's two formats
# Marks that others have for messages that are no labels, and what they are then.
MARKS = {
    "train": False,
    "training": False,
    "trainable": False,
    "loss": False,
    "loss_weight": 0,
    "mask": True,
}
# Keys of messages that others train on.
UNREAD = (
    "refusal",
    "thought",
    "thoughts",
    "reasoning_details",
    "images",
    "audio",
    "channel",
    "train_detail",
)


def fault(messages: Any) -> str:
    """Say what is wrong with a row's messages, empty if nothing is."""
    if not isinstance(messages, list) or not messages:
        return _('"messages" must be a list of at least one message')
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            return _('message {number} must be an object with a "role"').format(number=number)
        what = _content_fault(message) or _weight_fault(message) or _calls_fault(message)
        if what:
            return what.format(number=number, role=message["role"])
    return ""


def tools_fault(tools: Any) -> str:
    """Say what is wrong with a row's tools, empty if nothing is."""
    found = _decoded(tools, list)
    if found is None or (isinstance(found, list) and all(map(_is_tool, found))):
        return ""
    return _('"tools" must be a list of objects')


def _is_tool(tool: Any) -> bool:
    return isinstance(tool, dict) and isinstance(tool.get("function", {}), dict)


def conversation(messages: list[Message], tools: Any) -> tuple[list[Message], Any]:
    """Give messages and tools, without fault, as a chat template is to be given them.

    Keys that are null and the weight are dropped, content is a string, arguments of tool calls
    are objects. What a table has filled with null is dropped from tools and arguments, too.
    """
    there = [padding.dropped(tool) for tool in _decoded(tools, list) or ()] or None
    made = [_message(message) for message in messages]
    for call in (call for message in made for call in message.get("tool_calls") or ()):
        padding.drop_arguments(call, there or ())
    return made, there


def marks(message: Message) -> list[str]:
    """Give the marks by which others say that a message is no label; they are not read."""
    return [key for key, no in MARKS.items() if key in message and message[key] == no]


def unweighted(messages: list[Message]) -> frozenset[int]:
    """Give the indices of the messages that are not to be trained on: those of weight 0."""
    return frozenset(at for at, each in enumerate(messages) if each.get("weight") == 0)


def _message(message: Message) -> Message:
    made = {key: value for key, value in message.items() if value is not None and key != "weight"}
    content = made.get("content", "")
    if isinstance(content, list):
        content = "".join(part["text"] for part in content)
    made["content"] = content
    if "tool_calls" in made:
        made["tool_calls"] = [_call(call) for call in made["tool_calls"]]
        if not made["tool_calls"]:
            del made["tool_calls"]
    return made


def _call(call: Message) -> Message:
    """Decode the arguments: beside the name, or a level above it as some programs write them."""
    made = {key: value for key, value in call.items() if value is not None}
    if isinstance(made.get("function"), dict):
        made["function"] = _call(made["function"])
    if isinstance(made.get("arguments"), str):
        made["arguments"] = _decoded(made["arguments"] or "{}", dict)
    return made


def _content_fault(message: Message) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return ""
    if isinstance(content, list):
        for part in content:
            kind = part.get("type") if isinstance(part, dict) else None
            text = part.get("text") if isinstance(part, dict) else None
            if kind not in _TEXT_PARTS or not isinstance(text, str):
                kind = str(kind).replace("{", "{{").replace("}", "}}")
                what = _("message {number} ({role}) has a part that is no text ({kind})")
                return what.replace("{kind}", kind)
        return ""
    if content is None and ("content" in message or "tool_calls" in message):
        return ""
    return _('message {number} ({role}) has no "content" that is a string')


def _weight_fault(message: Message) -> str:
    weight = message.get("weight", 1)
    if weight is None or weight in (0, 1):
        return ""
    return _("the weight of message {number} must be 0 or 1")


def _calls_fault(message: Message) -> str:
    calls = message.get("tool_calls")
    if calls is None:
        return ""
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        return _('the "tool_calls" of message {number} must be a list of objects')
    for call in calls:
        function = call.get("function")
        named = function if isinstance(function, dict) else call
        if not isinstance(named.get("name"), str) or not named["name"]:
            return _("a tool call in message {number} has no name")
        for place in (call, function if isinstance(function, dict) else {}):
            arguments = place.get("arguments")
            if isinstance(arguments, str) and not isinstance(
                _decoded(arguments or "{}", dict), dict
            ):
                return _("the arguments of a tool call in message {number} are no JSON object")
    return ""


def _decoded(value: Any, kind: type) -> Any:
    """Decode a string that is JSON of this kind; all else stays as it is."""
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return found if isinstance(found, kind) or found is None else value
