"""The names of a table's columns: which row has them, and what stands above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.shapes import columns

AGAIN = "header"  # the rule by which the names are left out where they stand again
_LOOKED_AT = 20
_MOST_NAME = 60
_MOST_SHOWN = 80
_KNOWN = columns.QUESTION | columns.ANSWER | columns.TEXT | columns.SYSTEM | columns.CONTEXT
_MORE = frozenset({"messages", "conversations", "id"})

Rows = Sequence[tuple[int, Sequence[Any]]]  # each with its number, as a spreadsheet counts


@dataclass(frozen=True)
class Header:
    """number: of the row that has the names, 0 where none has. names: of the columns, in order.

    cells: the row as it stands. above: what stands in the rows before it.
    """

    number: int
    names: tuple[str, ...]
    cells: tuple[str, ...] = ()
    above: tuple[str, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the owner of the table should know of it."""
        if not self.number:
            return (_("its first row is taken for data: no names stand there"),)
        if not self.above:
            return ()
        what = _("the names of its columns stand in row {number}; above it, and not read: {text}")
        return (what.format(number=self.number, text=" ".join(self.above)[:_MOST_SHOWN]),)

    def again(self, cells: Sequence[Any]) -> bool:
        """Whether a row has the names once more, as files that were put together do."""
        return bool(self.number) and tuple(map(_text, cells[: len(self.cells)])) == self.cells


def find(rows: Rows, *, twice: bool = False) -> Header:
    """Find the names in the first rows: of question and answer below a title, else in the first.

    Columns are named "1", "2" ... where none has names. twice: two columns may have the same,
    as in sheets, which mostly have names.
    """
    filled = [(number, cells) for number, cells in rows if any(map(_text, cells))]
    for at, (number, cells) in enumerate(filled[:_LOOKED_AT]):
        if answered(cells) and all(_filled(row) < _filled(cells) for _n, row in filled[:at]):
            above = [text for _n, row in filled[:at] for text in map(_text, row) if text]
            return Header(number, _names(cells), _cells(cells), tuple(above))
    if not filled:
        return Header(0, ())
    number, cells = filled[0]
    if _is_head(_cells(cells), twice):
        return Header(number, _names(cells), _cells(cells))
    return Header(0, tuple(map(str, range(1, len(cells) + 1))))


def answered(cells: Sequence[Any]) -> bool:
    """Whether these are names, of a question and an answer among them."""
    names = [text for text in map(_text, cells) if len(text) <= _MOST_NAME]
    return bool(columns.named(names, columns.QUESTION) and columns.named(names, columns.ANSWER))


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip().removeprefix("\ufeff")


def _filled(cells: Sequence[Any]) -> int:
    return sum(bool(text) for text in map(_text, cells))


def _cells(cells: Sequence[Any]) -> tuple[str, ...]:
    """Give the cells as text, without empty ones at the end."""
    found = list(map(_text, cells))
    while found and not found[-1]:
        found.pop()
    return tuple(found)


def _names(cells: Sequence[Any]) -> tuple[str, ...]:
    """Give each column a name of its own: one without is told by its number."""
    names: list[str] = []
    for at, text in enumerate(map(_text, cells), 1):
        name = text or _("column {number}").format(number=at)
        same = sum(each == text for each in map(_text, cells[: at - 1]))
        names.append(f"{name} ({same + 1})" if text and same else name)
    return tuple(names)


def _is_head(names: Sequence[str], twice: bool) -> bool:
    """Whether these are names and no data: short, no numbers, and one known or each another."""
    if any(len(name) > _MOST_NAME for name in names):
        return False
    if any(name.replace(".", "").replace(",", "").isdigit() for name in names):
        return False
    if columns.named(names, _KNOWN | _MORE):
        return True
    if (len(set(names)) < len(names) and not twice) or not all(names):
        return False
    return not any(name.endswith(("?", ".", "!")) for name in names)
