"""What a shape of rows is, and what all of them are made with."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.shapes import conversations
from farense_worker.protocol.shapes.columns import Unfit

Values = dict[str, Any]
Convert = Callable[[Values], Values]
# Columns that hold a conversation.
LISTS = ("messages", "conversations", "conversation", "dialog", "dialogue", "turns")
_BEGINS_A_LIST = re.compile(r"\s*\[\s*\{")


@dataclass(frozen=True)
class Shape:
    """name: as it is told, `{name}`: "an Alpaca row". sign: by what it is known.

    convert: makes a row of ours, or raises Unfit. read: the keys that it looks at.
    ours: rows of it are trained on as they are. answered: they have an answer, as text has not.
    """

    name: str
    sign: str
    convert: Convert
    read: frozenset[str] = frozenset()
    ours: bool = False
    answered: bool = True

    def made(self, values: Values) -> Values:
        """Make a row of ours; raises Unfit, for one that is of another shape too."""
        try:
            return self.convert(values)
        except (LookupError, TypeError, AttributeError, RecursionError) as error:
            raise Unfit(_("not {shape}, as the first rows are").format(shape=self.name)) from error


def said(values: Values, messages: list[conversations.Message]) -> Values:
    """Make a chat row of messages, with the system prompt that stands beside them."""
    return conversations.chat(values, conversations.with_system(values, messages))


def holds(messages: Any, *keys: str) -> bool:
    """Whether these are messages with such keys."""
    first = messages[0] if isinstance(messages, list) and messages else None
    return isinstance(first, dict) and set(keys) <= first.keys()


def listed(value: Any) -> Any:
    """Decode a list of objects that is kept as text, JSON or as Python writes it."""
    if not isinstance(value, str) or not _BEGINS_A_LIST.match(value):
        return value
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return found if isinstance(found, list) else value
    return value
