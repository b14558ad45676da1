"""What a chat template has of all that jinja2 and Python offer.

The rest it does without: none of the templates that models come with asks for it, and of what is
here each thing is linear in what it is given, or its price is known.
"""

from __future__ import annotations

from collections.abc import MappingView
from typing import Any

# Filters that do not look into what they are given: they hand on or draw elements.
SHALLOW = {
    *("attr", "batch", "count", "d", "default", "first", "items", "last", "length", "list", "map"),
    *("random", "reject", "rejectattr", "reverse", "select", "selectattr", "slice"),
}
# Filters that take a list whole, which may come bit by bit.
WHOLE = {"groupby", "join", "max", "min", "sort", "sum", "unique"}
FILTERS = frozenset(
    {
        *(SHALLOW | WHOLE),
        *("abs", "capitalize", "center", "dictsort", "e", "escape", "float", "forceescape"),
        *("format", "indent", "int", "lower", "replace", "round", "safe", "string", "title"),
        *("tojson", "trim", "truncate", "upper", "wordcount"),
    }
)
# Tests that look at what a value is, and not into it.
CHEAP_TESTS = {
    *("boolean", "callable", "defined", "escaped", "false", "float", "integer", "iterable"),
    *("mapping", "none", "number", "sameas", "sequence", "string", "true", "undefined"),
}
_STR = {
    *("capitalize", "casefold", "center", "count", "endswith", "expandtabs", "find", "format"),
    *("index", "isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "isidentifier", "islower"),
    *("isnumeric", "isprintable", "isspace", "istitle", "isupper", "join", "ljust", "lower"),
    *("lstrip", "partition", "removeprefix", "removesuffix", "replace", "rfind", "rindex"),
    *("rjust", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip"),
    *("swapcase", "title", "upper", "zfill"),
}
METHODS: dict[type, set[str]] = {
    str: _STR,
    dict: {"copy", "get", "items", "keys", "values"},
    list: {"copy", "count", "index"},
    tuple: {"count", "index"},
    range: {"count", "index"},
    int: {"bit_length", "conjugate"},
    float: {"conjugate", "is_integer"},
    complex: {"conjugate"},
    bytes: set(),
    type: set(),
    MappingView: set(),
}
_BUILTIN = tuple(METHODS)


def is_safe(owner: Any, name: str, value: Any) -> bool:
    """Whether a template may have an attribute of a value of Python's own kinds."""
    for kind in _BUILTIN:
        if isinstance(owner, kind):
            return name in METHODS[kind] or not (
                callable(value) or isinstance(owner, (MappingView, type))
            )
    return True
