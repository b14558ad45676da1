"""One JSON value: decoded quickly, and never with a key that stands twice."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from farense_worker.protocol.language import gettext as _


class Repeated(ValueError):
    """An object has a key twice: of its values JSON's readers take the last, in silence."""


def decode(raw: bytes | str) -> Any:
    """Decode as json does, but some four times as fast where the text is flawless.

    Raises Repeated, json.JSONDecodeError, UnicodeDecodeError, RecursionError.
    """
    try:
        values = msgspec.json.decode(raw)
        if same_quotes(raw, values):
            return values
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass  # json takes more, such as NaN, and says what is wrong
    text = raw.decode() if isinstance(raw, bytes) else raw
    return json.loads(text, object_pairs_hook=once)


def same_quotes(raw: bytes | str, values: Any) -> bool:
    """Whether a text has as many quotation marks as its value when it is written.

    It has more where a key stood twice, and another number where a mark was written as \\u0022.
    """
    there = raw.count(b'"') if isinstance(raw, bytes) else raw.count('"')
    return there == msgspec.json.encode(values).count(b'"')


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its keys and values, for json. Raises Repeated."""
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _value in pairs]
        key = next(key for key in keys if keys.count(key) > 1)
        raise Repeated(_('the key "{key}" stands twice: which one is meant?').format(key=key))
    return made
