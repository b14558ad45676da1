"""`tojson`, as transformers has it in the place of jinja2's."""

from __future__ import annotations

import json
from typing import Any

from farense_worker.model.sandbox.meter import METER

_SHORT = 8  # characters of two separators


def to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Write a value as JSON; taken down as it is written where a word of it may be long."""
    as_asked: dict[str, Any] = {
        "ensure_ascii": ensure_ascii,
        "indent": indent,
        "separators": separators,
        "sort_keys": sort_keys,
    }
    if indent is None and (separators is None or sum(map(len, separators)) <= _SHORT):
        return json.dumps(value, **as_asked)
    if isinstance(indent, int):
        METER.charge(max(0, indent))
    return "".join(METER.made(part) for part in json.JSONEncoder(**as_asked).iterencode(value))
