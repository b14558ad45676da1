"""Nulls that a table has filled in: Arrow and Parquet give all tools the keys of each of them.

Hugging Face's datasets keep them so, and write them into JSON: a tool has the parameters of all the
others, a call their arguments, each null. Templates write nulls as they write words.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

# Of a schema, what may be null and mean it.
_MEANT = ("default", "const", "example", "value")

Values = dict[str, Any]


def dropped(tool: Values) -> Values:
    """Give a tool without keys that are null, which no schema has but for a default and its like.

    Where a table has filled others in, it has filled in these.
    """
    kept = _MEANT if _without(tool, _MEANT) == tool else ()
    made: Values = _without(tool, kept)
    return made


def drop_arguments(call: Values, tools: Iterable[Values]) -> None:
    """Drop arguments of a call that are null and that its tool does not have.

    Of a tool that is not known all stay: see `nulls`.
    """
    function = call["function"] if isinstance(call.get("function"), dict) else call
    known = _parameters(tools, function.get("name"))
    for place in (call, function):
        if known is not None and isinstance(place.get("arguments"), dict):
            place["arguments"] = {
                key: value
                for key, value in place["arguments"].items()
                if value is not None or key in known
            }


def nulls(call: Values, tools: Iterable[Values]) -> list[str]:
    """Name the arguments of a call that are null, where nothing tells whether they are meant."""
    function = call["function"] if isinstance(call.get("function"), dict) else call
    given = function.get("arguments", call.get("arguments"))
    if not isinstance(given, dict) or _parameters(tools, function.get("name")) is not None:
        return []
    return [key for key, value in given.items() if value is None]


def _parameters(tools: Iterable[Values], name: Any) -> Values | None:
    """Give the parameters that a tool says it takes; None where it says nothing."""
    for tool in tools:
        function = tool.get("function", tool)
        schema = function.get("parameters", function.get("input_schema"))
        if function.get("name") == name and isinstance(schema, dict):
            found = schema.get("properties", {})
            return found if isinstance(found, dict) else None
    return None


def _without(value: Any, kept: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {
            key: _without(each, kept)
            for key, each in value.items()
            if each is not None or key in kept
        }
    return [_without(each, kept) for each in value] if isinstance(value, list) else value
