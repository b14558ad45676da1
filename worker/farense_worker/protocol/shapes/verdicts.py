"""Labels that call an answer good or bad, as KTO's rows have them.

A number is a verdict only among its like: 0 may be a bad answer, or the first of many classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.shapes.columns import Unfit, folded, names

_COLUMNS = names(
    "label,ktotag,desirable,isdesirable,good,isgood,correct,iscorrect,thumbsup,verdict,"
    "avaliacao,etiqueta"
)
_GOOD = names(
    "true,good,desirable,chosen,correct,right,thumbsup,verdadeiro,boa,bom,certa,certo,"
    "correta,correto"
)
_BAD = names(
    "false,bad,undesirable,rejected,incorrect,wrong,thumbsdown,falso,ma,mau,errada,errado,"
    "incorreta,incorreto"
)


def said(value: Any) -> bool | None:
    """Whether a label calls its answer good; None where it says neither."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and (word := folded(value)) in _GOOD | _BAD:
        return word in _GOOD
    try:
        number = float(value)  # a table of text has "0"
    except (TypeError, ValueError, OverflowError):
        return None
    return {1.0: True, 0.0: False, -1.0: False}.get(number)


def columns(rows: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """Give the columns all of whose values, in these rows, call an answer good or bad."""
    values: dict[str, list[Any]] = {}
    for row in rows:
        for key, value in row.items():
            if folded(key) in _COLUMNS and value not in (None, ""):
                values.setdefault(key, []).append(said(value))
    return tuple(key for key, found in values.items() if None not in found)


def bad(values: dict[str, Any]) -> tuple[str, Any] | None:
    """Give the label, and its column, of a row that calls its answer a bad one."""
    for key, value in values.items():
        if folded(key) in _COLUMNS and said(value) is False:
            return key, value
    return None


def check(values: dict[str, Any], labels: Iterable[str]) -> None:
    """Raise Unfit for an answer that these columns call bad, or call neither good nor bad."""
    for name in labels:
        value = values.get(name)
        if said(value) is False:
            raise Unfit(_("an answer that is labelled as a bad one"), "label")
        if value not in (None, "") and said(value) is None:
            what = _('its "{key}" calls the answer neither good nor bad: {value}')
            raise Unfit(what.format(key=name, value=value))
