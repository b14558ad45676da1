"""Rows that are too long, made shorter: text into pieces, conversations to their first turns."""

from __future__ import annotations

import re
from typing import Any

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.shapes.columns import Unfit

_ROOM = 0.9  # of what should fit: characters say only about how many tokens there are
_ENDS = (r"\n\s*\n", r"\n", r"(?<=[.!?…])\s+", r"\s+")  # where text is cut, the best first


def cut(values: dict[str, Any], share: float) -> list[dict[str, Any]]:
    """Give rows that are at most this share of a row long.

    Raises Unfit for a question and its answer, and for a conversation whose first turns are
    too long: to cut an answer off would teach the model to end there.
    """
    if "text" in values:
        return [{"text": piece} for piece in pieces(values["text"], _most(values["text"], share))]
    messages = values.get("messages")
    if messages is None:
        raise Unfit(_("a question with its answer is too long, and cannot be cut"))
    most = _most("".join(str(each.get("content") or "") for each in messages), share)
    kept, length = 0, 0
    for at, message in enumerate(messages, 1):
        length += len(str(message.get("content") or ""))
        if length > most:
            break
        if message["role"] == "assistant" and not message.get("tool_calls"):
            kept = at
    if not kept:
        raise Unfit(_("its first turns are too long, and cannot be cut"))
    return [{**values, "messages": messages[:kept]}]


def pieces(text: str, most: int) -> list[str]:
    """Cut text into pieces of at most so many characters, where paragraphs, lines, sentences or
    words end; a word that is longer is cut anywhere.
    """
    text = text.strip()
    if len(text) <= most:
        return [text] if text else []
    for end in _ENDS:
        places = [found for found in re.finditer(end, text) if 0 < found.start() <= most]
        if places and places[-1].start() > most // 4:
            last = places[-1]
            return [text[: last.start()].strip(), *pieces(text[last.end() :], most)]
    return [text[:most], *pieces(text[most:], most)]


def _most(text: str, share: float) -> int:
    return max(1, int(len(text) * min(1.0, share) * _ROOM))
