"""What filters, methods and operators of a chat template cost, taken down before they are done."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, KeysView, Mapping, MappingView, Sequence
from string import Formatter
from typing import Any

from jinja2.exceptions import TemplateRuntimeError

from farense_worker.model.sandbox.allowed import SHALLOW, WHOLE
from farense_worker.model.sandbox.meter import ELEMENT, METER, OBJECT, Drawn
from farense_worker.protocol.language import gettext as _

_WIDTH_AND_PRECISION = re.compile(r"%(?:\([^)]*\))?[#0\- +_^EO]*(\d*)(?:\.(\d*))?")
_COMPUTED = re.compile(r"%[#0\- +\d.]*\*|%\([^)]*\(")
_DIGITS = re.compile(r"\d+")
_PATTERN_OF_A_DATE = 1000  # characters
_PARTS_OF_A_NAME = 20  # a.b.c, or several of them
_WORDS = 8  # units a character of a text that is taken apart: a word is an object
_WIDEST = 10**9

Arguments = tuple[Any, ...]


def of_filter(name: str, arguments: Arguments, named: Mapping[str, Any]) -> Arguments:
    """Charge a filter; gives the arguments to call it with. The first is what it is put to."""
    METER.charge(OBJECT)
    if name == "replace":  # whichever is named first
        named = {key: named[key] for key in ("s", "old", "new", "count") if key in named}
    more = (*arguments[1:], *named.values())
    if name in SHALLOW:
        if name in ("list", "slice", "reverse", "random") and hasattr(arguments[0], "__len__"):
            METER.charge(2 * ELEMENT * len(arguments[0]))
        if name in ("batch", "slice"):
            METER.charge(sum(ELEMENT * abs(each) for each in more if isinstance(each, int)))
        if name in ("d", "default"):
            return arguments
        _names(name != "map", more, named)
        for each in more:
            METER.weigh(each)
        return arguments
    if name in WHOLE:
        arguments = (_taken(arguments[0]), *arguments[1:])
        _names(name != "join", more, named)
    value = arguments[0]
    weight = METER.weight(value)
    for each in more:
        METER.weigh(each)
    if name in _FILTERS:
        _FILTERS[name](value, weight, more)
    return arguments


def of_call(function: Any, arguments: Arguments, named: Mapping[str, Any]) -> Arguments:
    """Charge a call of a method or a function; gives the arguments to call it with."""
    METER.charge(OBJECT)
    owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
    if isinstance(owner, str):
        if name == "join" and arguments:
            arguments = (_taken(arguments[0]), *arguments[1:])
        weight = METER.weight(owner)
    elif isinstance(owner, (list, tuple, range)):
        weight = METER.weight(owner)
    more = (*arguments, *named.values())
    for each in more:
        METER.weigh(each)
    if isinstance(owner, str):
        if name == "join" and arguments:
            _join(arguments[0], 0, (owner,))
        elif name in _FILTERS:
            _FILTERS[name](owner, weight, more)
    return arguments


def of_test(name: str, arguments: Arguments) -> Arguments:
    """Charge a test that looks into values; gives the arguments to call it with."""
    METER.charge(OBJECT)
    if name in ("odd", "even", "divisibleby"):  # by `%`, which is another thing to a text
        of_operator("%", arguments[0], 2 if len(arguments) < 2 else arguments[1])
    if name == "in" and len(arguments) > 1:
        arguments = (arguments[0], searched(arguments[1]))
        METER.weigh(arguments[0])
    else:
        for each in arguments:
            METER.weigh(each)
    return arguments


def of_operator(operator: str, left: Any, right: Any) -> None:
    """Charge an operator between two values."""
    if type(left) is int and type(right) is int and operator != "**":
        METER.number(left.bit_length() + right.bit_length())
        return
    sequences = (str, list, tuple)
    if operator == "+" and isinstance(left, sequences) and isinstance(right, sequences):
        METER.charge(_shallow(left) + _shallow(right))
        return
    if operator == "*":
        for one, other in ((left, right), (right, left)):
            if isinstance(one, sequences) and isinstance(other, int):
                METER.charge(OBJECT + _shallow(one) * max(0, other))
                return
    weight = METER.weight(right)
    if operator == "%" and isinstance(left, str):
        METER.charge(len(left))
        of_pattern(left, weight)
        return
    METER.weigh(left)
    if operator == "-" and isinstance(left, MappingView):
        raise TemplateRuntimeError(_("the keys of two mappings are not subtracted"))
    if operator == "**" and isinstance(left, int) and isinstance(right, int):
        METER.number(left.bit_length() * right)


def of_date(pattern: str) -> None:
    """Charge strftime."""
    if len(pattern) > _PATTERN_OF_A_DATE:
        METER.stop()
    of_pattern(pattern)


def of_pattern(text: str, weight: int = 0) -> None:
    """Charge a pattern of `%`, put to values of a weight."""
    if _COMPUTED.search(text):
        raise TemplateRuntimeError(_("a width that is computed is not allowed"))
    METER.charge(text.count("%") * (weight + 4 * ELEMENT))
    for width, precision in _WIDTH_AND_PRECISION.findall(text):
        METER.charge(_number(width) + _number(precision))


def of_format(text: str, arguments: Arguments, named: Mapping[str, Any]) -> None:
    """Charge str.format."""
    weight = METER.weight((*arguments, *named.values()))
    METER.charge(_WORDS * len(text))
    for _text, name, spec, _conversion in Formatter().parse(text):
        if name is None or spec is None:
            continue
        if "{" in spec:
            raise TemplateRuntimeError(_("a width that is computed is not allowed"))
        METER.charge(weight + sum(map(_number, _DIGITS.findall(spec))))


def of_keys(keys: Iterable[Any]) -> None:
    """Charge the keys of a mapping or a set.

    Of numbers and tuples of them as many as one likes have the same hash; a text's is secret.
    """
    METER.charge(sum(not isinstance(key, str) for key in keys) ** 2)


def searched(value: Any) -> Any:
    """Charge what is looked into by `in`."""
    if isinstance(value, (dict, KeysView)):
        METER.charge(ELEMENT)
        return value
    return METER.weigh(_taken(value))


def spread(value: Any) -> Any:
    """Charge what is handed on as arguments, `*value` or `**value`."""
    METER.charge(2 * ELEMENT * _size(value))
    return value


def pairs(value: Any) -> Any:
    """Charge what a mapping is made from."""
    if isinstance(value, dict):
        METER.charge(3 * ELEMENT * len(value))
        return value
    made = [tuple(each) for each in METER.weigh(_taken(value))]
    of_keys(each[0] for each in made if each)
    return made


def _taken(value: Any) -> Any:
    return list(value) if isinstance(value, Drawn) else value


def _shallow(value: Sequence[Any]) -> int:
    return len(value) * (1 if isinstance(value, str) else ELEMENT)


def _number(digits: str) -> int:
    return int(digits or 0) if len(digits) < 6 else _WIDEST


def _names(has_names: bool, more: Arguments, named: Mapping[str, Any]) -> None:
    """Look at names of attributes, which are looked up part by part in each element."""
    for each in more if has_names else (named.get("attribute"),):
        if isinstance(each, str) and each.count(".") + each.count(",") > _PARTS_OF_A_NAME:
            METER.stop()


def _size(value: Any) -> int:
    return len(value) if hasattr(value, "__len__") else 1


def _replace(value: Any, _weight: int, more: Arguments) -> None:
    if len(more) > 1:
        text, old, new = str(value), str(more[0]), str(more[1])
        METER.charge((text.count(old) if old else len(text) + 1) * len(new))


def _join(value: Any, _weight: int, more: Arguments) -> None:
    METER.charge(_size(value) * sum(len(str(each)) for each in more))


def _padded(_value: Any, _weight: int, more: Arguments) -> None:
    METER.charge(sum(max(0, each) for each in more if isinstance(each, int)))


def _expandtabs(value: Any, _weight: int, more: Arguments) -> None:
    METER.charge((value.count("\t") + 1) * max([8, *(e for e in more if isinstance(e, int))]))


def _indent(value: Any, weight: int, more: Arguments) -> None:
    METER.charge(_WORDS * weight)
    width = sum(abs(each) if isinstance(each, int) else _size(each) for each in more)
    METER.charge((len(str(value).splitlines()) + 1) * (width + 4))


def _round(_value: Any, _weight: int, more: Arguments) -> None:
    METER.charge(sum(16 * abs(each) for each in more if isinstance(each, int)))


def _sum(value: Any, weight: int, more: Arguments) -> None:
    numbers = isinstance(value, range) or not hasattr(value, "__iter__")
    if not (numbers or all(isinstance(each, (int, float)) for each in (*value, *more))):
        METER.charge(_size(value) * (weight + METER.weight(more)))  # a longer list with each


def _sorted(value: Any, weight: int, more: Arguments) -> None:
    keys = 1 + sum(each.count(",") for each in more if isinstance(each, str))
    METER.charge(weight * keys * _size(value).bit_length())


def _unique(value: Any, _weight: int, _more: Arguments) -> None:
    of_keys(value)


def _taken_apart(_value: Any, weight: int, _more: Arguments) -> None:
    METER.charge(_WORDS * weight)


def _from_its_end(value: Any, weight: int, more: Arguments) -> None:
    """A search from the end, and `strip`, look at all of what is sought at every place."""
    sought = sum(len(each) for each in more if isinstance(each, str))
    METER.charge(weight * sought // 16)


def _split(value: Any, weight: int, more: Arguments) -> None:
    _taken_apart(value, weight, more)
    _from_its_end(value, weight, more)


def _format(value: Any, weight: int, more: Arguments) -> None:
    METER.charge(weight)
    of_pattern(str(value), METER.weight(more))


_FILTERS: dict[str, Callable[[Any, int, Arguments], None]] = {
    "replace": _replace,
    "join": _join,
    **dict.fromkeys(("center", "ljust", "rjust", "zfill"), _padded),
    "expandtabs": _expandtabs,
    "indent": _indent,
    "round": _round,
    "sum": _sum,
    **dict.fromkeys(("sort", "dictsort", "groupby", "min", "max"), _sorted),
    "unique": _unique,
    **dict.fromkeys(("title", "wordcount", "e", "escape", "forceescape"), _taken_apart),
    **dict.fromkeys(("split", "rsplit", "splitlines"), _split),
    **dict.fromkeys(("rfind", "rindex", "rpartition", "strip", "lstrip", "rstrip"), _from_its_end),
    "trim": _from_its_end,
    "format": _format,
}
