"""Conversations of others become messages: other keys, other roles, calls in other places."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.rows import chat_rows
from farense_worker.protocol.shapes.columns import Unfit, blank, folded, text

Message = dict[str, Any]
Values = dict[str, Any]
_ROLES = {
    "user": "human,user,question,utilizador,usuario",
    "assistant": "gpt,assistant,model,bot,chatbot,chatgpt,bing,bard,answer,assistente",
    "system": "system,sistema",
    "tool": "tool,observation,function,functionresponse,toolresponse,ipython",
}
ROLES = {name: role for role, names in _ROLES.items() for name in names.split(",")}
NO_INPUT = "<noinput>"
# Keys of messages for who says what; the first two are ShareGPT's.
WHO = ("from", "role")
SAID = ("value", "content", "text")
CALLS = ("functioncall", "toolcall")


def role(name: Any) -> str:
    """Give the role that templates know; one that nobody knows stays, for the check to tell."""
    return ROLES.get(folded(str(name)), str(name))


def with_system(values: Values, messages: list[Message], *names: str) -> list[Message]:
    """Put the row's system prompt, if it has one, before its messages."""
    for name in names or ("system", "system_prompt"):
        said = values.get(name)
        if isinstance(said, list):  # Bedrock's parts
            parts = own_parts(said)[0] or []
            said = "".join(str(part.get("text") or "") for part in parts if isinstance(part, dict))
        if isinstance(said, str) and said.strip():
            return [{"role": "system", "content": said}, *messages]
    return messages


def chat(values: Values, messages: list[Message]) -> Values:
    """Make a chat row of messages, with the tools that the row has.

    Raises Unfit where nothing is answered, or a picture stands where a word says so.
    """
    answers = [message for message in messages if message.get("role") == "assistant"]
    if not answers:
        roles = ", ".join(dict.fromkeys(str(message.get("role")) for message in messages))
        raise Unfit(_("no answer in it, of the roles {roles}").format(roles=roles))
    if all(map(_is_empty, answers)):
        raise Unfit(_("an empty answer"))
    if seen := _seen_or_heard(values, messages):
        raise Unfit(_("it is about its {what}, and only text is trained on").format(what=seen))
    tools = values.get("tools")
    if not tools and isinstance(values.get("functions"), list):
        tools = [{"type": "function", "function": each} for each in values["functions"]]
    return {"messages": messages, "tools": tools} if tools else {"messages": messages}


def _is_empty(answer: Message) -> bool:
    said = answer.get("content")
    return not answer.get("tool_calls") and (blank(said) if isinstance(said, str) else not said)


def turns(history: Any) -> list[list[str]]:
    """Read what was said before: pairs of question and answer, as a list or its JSON.

    Raises Unfit for anything else.
    """
    if isinstance(history, str):
        try:
            history = json.loads(history.strip() or "[]")
        except (ValueError, RecursionError):
            raise Unfit(_("a history that is no list of questions and answers")) from None
    listed: list[Any] = history if isinstance(history, list) else [] if history is None else [None]
    if not all(isinstance(turn, list) and len(turn) == 2 for turn in listed):
        raise Unfit(_("a history that is no list of questions and answers"))
    return [[text(said) for said in turn] for turn in listed]


def pair(
    prompt: str, completion: str, system: str = "", history: Sequence[Sequence[str]] = ()
) -> Values:
    """Make a row of a question and its answer; a system prompt or earlier turns make it a chat."""
    if blank(prompt):
        raise Unfit(_("an empty question"))
    if blank(completion):
        raise Unfit(_("an empty answer"))
    if not system.strip() and not history:
        return {"prompt": prompt, "completion": completion}
    messages = [
        {"role": who, "content": said}
        for turn in (*history, (prompt, completion))
        for who, said in zip(("user", "assistant"), turn, strict=True)
    ]
    return {"messages": with_system({"system": system}, messages)}


def openai(messages: Any) -> list[Message]:
    """Give messages with role and content; function calls of before 2024 become tool calls."""
    made = []
    for message in _listed(messages):
        new = {**message, "role": role(message.get("role"))}
        if isinstance(call := new.pop("function_call", None), dict):
            new["tool_calls"] = [{"type": "function", "function": call}]
        if "content" in new:
            new["content"], more = own_parts(new["content"])
            new |= more
        made.append(_weighted(new, message))
    return made


def sharegpt(messages: Any) -> list[Message]:
    """Give messages of from and value, or role and value and the like; the weight stays."""
    made: list[Message] = []
    for message in _listed(messages):
        who, said = first(message, *WHO), first(message, *SAID)
        if folded(str(who)) in CALLS:
            new: Message = {"role": "assistant", "content": None, "tool_calls": _calls(said)}
        else:
            new = {"role": role(who), "content": said}
        if message.get("weight") is not None:
            new["weight"] = message["weight"]
        if message.get("train_detail"):
            new["train_detail"] = message["train_detail"]  # is not read, which the check tells
        made.append(_weighted(new, message))
    return made


def gemini(values: Values) -> list[Message]:
    """Give the contents of a Gemini row, after its system instruction."""
    system = values.get("systemInstruction") or values.get("system_instruction")
    made: list[Message] = []
    if isinstance(system, str):
        made.append({"role": "system", "content": system})
    elif isinstance(system, dict):
        made.append({"role": "system", "content": _parts(system)[0]})
    for content in _listed(values.get("contents")):
        said, calls = _parts(content)
        who = "tool" if _answers_call(content) else role(content.get("role", "user"))
        new: Message = {"role": who, "content": said}
        if calls:
            new = {"role": "assistant", "content": said or None, "tool_calls": calls}
        made.append(new)
    return made


def pairs(turns: Any, question: str, answer: str) -> list[Message]:
    """Give messages of pairs of a question and its answer; a pair may have a system prompt."""
    made: list[Message] = []
    for turn in _listed(turns):
        made = made or with_system(turn, made)
        made.append({"role": "user", "content": text(turn.get(question))})
        made.append({"role": "assistant", "content": text(turn.get(answer))})
    return made


def instructed(values: Values) -> str:
    """Join Alpaca's instruction with its input, which self-instruct writes <noinput> for none."""
    given = text(values.get("input")).replace(NO_INPUT, "")
    return "\n\n".join(filter(None, (text(values.get("instruction")), given)))


def strings(messages: list[str]) -> list[Message]:
    """Give messages of strings, question and answer in turn."""
    return [
        {"role": ("user", "assistant")[at % 2], "content": said} for at, said in enumerate(messages)
    ]


def first(message: Message, *keys: str) -> Any:
    """Give what a message has under the first of these keys that it has."""
    return next((message[key] for key in keys if key in message), None)


def own_parts(content: Any) -> tuple[Any, Message]:
    """Give a message's parts with their text as `text`, and the keys of what is no text of it.

    LLaMA-Factory's have text, thoughts and calls as `value`; Bedrock's name no type.
    """
    if not isinstance(content, list):
        return content, {}
    parts, thoughts, calls = list[Any](), list[str](), list[Message]()
    for part in content:
        found = part if isinstance(part, dict) else {}
        kind, said = found.get("type", "text"), first(found, "text", "value")
        if kind == "reasoning" and isinstance(said, str):
            thoughts.append(said)
        elif kind == "tool_call" and said is not None:
            calls += _calls(said)
        elif kind == "text" and isinstance(said, str):
            parts.append({"type": "text", "text": said})
        else:
            parts.append(part)
    keys: Message = {"reasoning_content": "\n".join(thoughts)} if thoughts else {}
    return parts or None, {**keys, "tool_calls": calls} if calls else keys


def _weighted(new: Message, message: Message) -> Message:
    """Give an answer that is marked as no label the weight 0, in place of its marks."""
    marks = chat_rows.marks(message)
    kept = {key: value for key, value in new.items() if key not in chat_rows.MARKS}
    return {**kept, "weight": 0} if marks and new["role"] == "assistant" else kept


def _seen_or_heard(values: Values, messages: list[Message]) -> str:
    """Give the column of the pictures, films or sounds that a message has a mark for, or ""."""
    for column in ("images", "videos", "audios", "image", "video", "audio"):
        mark = f"<{column.removesuffix('s')}>"
        if values.get(column) and any(mark in str(each.get("content")) for each in messages):
            return column
    return ""


def _listed(messages: Any) -> list[Message]:
    if not isinstance(messages, list) or not messages:
        raise Unfit(_("no messages"))
    if not all(isinstance(message, dict) for message in messages):
        raise Unfit(_("a message that is no object"))
    return messages


def _calls(said: Any) -> list[Message]:
    if isinstance(said, str):
        try:
            said = json.loads(said)
        except (ValueError, RecursionError):
            raise Unfit(_("a call of a function that is no JSON")) from None
    calls = said if isinstance(said, list) else [said]
    return [{"type": "function", "function": call} for call in calls]


def _answers_call(content: Message) -> bool:
    parts = content.get("parts")
    return isinstance(parts, list) and any("functionResponse" in part for part in parts)


def _parts(content: Message) -> tuple[str, list[Message]]:
    """Join the text of a content's parts and collect its calls."""
    said, calls = [], []
    parts = content.get("parts")
    for part in parts if isinstance(parts, list) else [parts]:
        part = {"text": part} if isinstance(part, str) else part
        call = part.get("functionCall") if isinstance(part, dict) else None
        answer = part.get("functionResponse") if isinstance(part, dict) else None
        if isinstance(call, dict):
            function = {"name": call.get("name"), "arguments": call.get("args") or {}}
            calls.append({"type": "function", "function": function})
        elif isinstance(answer, dict):
            said.append(json.dumps(answer.get("response"), ensure_ascii=False))
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            said.append(part["text"])
        else:
            raise Unfit(_("a part that is no text"))
    return "".join(said), calls
