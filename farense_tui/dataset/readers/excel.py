"""XLSX, by openpyxl: row by row, values in place of formulas, never more than a bomb's fuse."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from farense_worker.protocol.errors import FarenseError, first_line, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.shapes import recognise

from farense_tui.dataset import extra
from farense_tui.dataset.readers import header, unpacked
from farense_tui.dataset.readers.header import Header
from farense_tui.dataset.readers.table import Bad, Numbered, Table

_LOOKED_AT = 50  # rows


def table(path: Path, wanted: str = "") -> Table:
    """Find the sheet: the one named, the only one that is not empty, the only one that is known.

    Raises FarenseError (refused) for what is damaged, packed as a bomb is, empty or not clear.
    """
    unpacked.check(path)
    extra.module("openpyxl", _("{kind} files").format(kind="XLSX"))
    with extra.reading(partial(_damaged, path)), closing(_open(path, values=True)) as book:
        begins = {sheet.title: _begin(sheet) for sheet in book.worksheets}
    filled = [name for name, begin in begins.items() if begin.first]
    found = [wanted] if wanted in begins else []
    if not wanted:
        if not filled:
            raise refused(_("{name} has no rows").format(name=path.name), kind="data")
        known = [name for name in filled if recognise.shape(begins[name].first)]
        found = filled if len(filled) == 1 else known
    if len(found) != 1:
        raise refused(
            _("which sheet of {path} is meant?").format(path=path.name),
            ", ".join(begins),
            _("--table NAME names it."),
            kind="data",
        )
    (name,) = found
    begin = begins[name]
    remarks = [*begin.head.remarks, *begin.remarks]
    if others := [other for other in filled if other != name]:
        what = _("not read: {names}; --table NAME reads it instead")
        remarks.append(what.format(names=", ".join(others)))
    sign = _('the sheet "{name}"').format(name=name)
    return Table("XLSX", sign, lambda: _rows(path, name, begin.head), tuple(remarks))


@dataclass(frozen=True)
class _Begin:
    """A sheet's first rows: the names, the first row below them ({} without), what is told."""

    head: Header
    first: dict[str, Any]
    remarks: tuple[str, ...]


def _begin(sheet: Any) -> _Begin:
    rows = [*enumerate(sheet.iter_rows(max_row=_LOOKED_AT), 1)]
    head = header.find([(number, [cell.value for cell in row]) for number, row in rows], twice=True)
    below = [row for number, row in rows if number > head.number]
    filled = [row for row in below if any(cell.value is not None for cell in row)]
    remarks = []
    if any(cell.is_date for row in filled for cell in row):
        remarks.append(_("days are written as 2020-05-01, times as 15:30:00"))
    if any(_is_written_otherwise(cell) for row in filled for cell in row):
        remarks.append(_("numbers are written without their format, as 1234.5"))
    first = {
        name: _value(cell)
        for row in filled[:1]
        for name, cell in zip(head.names, row, strict=False)
    }
    return _Begin(head, first, tuple(remarks))


def _is_written_otherwise(cell: Any) -> bool:
    """Whether a sheet shows a number with more than its digits: a currency, groups of three."""
    if cell.is_date or isinstance(cell.value, bool) or not isinstance(cell.value, int | float):
        return False
    return any(sign in cell.number_format for sign in ("€", "$", "£", "#,", '"'))


def _rows(path: Path, name: str, head: Header) -> Iterator[Numbered]:
    with (
        extra.reading(partial(_damaged, path)),
        closing(_open(path, values=True)) as book,
        closing(_open(path, values=False)) as made,
    ):
        values, formulas = book[name].iter_rows(), made[name].iter_rows()
        for number, (row, written) in enumerate(zip(values, formulas, strict=False), 1):
            cells = [_value(cell) for cell in row]
            if number <= head.number or all(cell is None for cell in cells):
                continue
            if head.again(cells):
                yield number, Bad(header.AGAIN, _("the names of the columns once more"))
            else:
                yield number, _row(head.names, cells, written)


def _row(names: tuple[str, ...], cells: list[Any], written: Any) -> dict[str, Any] | Bad:
    for cell, formula in zip(cells, written, strict=False):
        if cell is None and formula.data_type == "f":
            what = _("{cell} is a formula without a value: open the file in Excel and save it")
            return Bad("formula", what.format(cell=formula.coordinate))
        if formula.data_type == "e" or (isinstance(cell, str) and cell in _ERRORS):
            return Bad(
                "formula",
                _("{cell} is an error, {value}").format(cell=formula.coordinate, value=cell),
            )
    if len(cells) > len(names) and any(cell is not None for cell in cells[len(names) :]):
        what = _("{n} cells where there are {columns} columns")
        return Bad("cells", what.format(n=len(cells), columns=len(names)))
    return dict(zip(names, cells, strict=False))


_ERRORS = ("#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#N/A")


def _value(cell: Any) -> Any:
    """Give a cell as JSON has it: whole numbers without a point, days as ISO 8601, 25% as shown."""
    value = cell.value
    if isinstance(value, str):
        return _unescaped(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and "%" in cell.number_format:
        return f"{value * 100:.10g}%"
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, datetime.timedelta):
        seconds = round(value.total_seconds())
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    return value


def _unescaped(text: str) -> str:
    """Give the characters that are written as _x000D_: the ends of lines of some programs."""
    if "_x" not in text:
        return text
    plain: str = extra.module("openpyxl.utils.escape", "XLSX").unescape(text)
    return plain.replace("\r\n", "\n").replace("\r", "\n")


def _open(path: Path, *, values: bool) -> Any:
    openpyxl = extra.module("openpyxl", "XLSX")
    return openpyxl.load_workbook(path, read_only=True, data_only=values)


def _damaged(path: Path, error: Exception) -> FarenseError:
    return refused(
        _("{path} is damaged").format(path=path),
        first_line(error),
        _("Save it again."),
        kind="data",
    )
