"""XLSX, by openpyxl: row by row, values in place of formulas, never more than a bomb's fuse."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.shapes import recognise

from farense_tui.dataset import extra
from farense_tui.dataset.readers import unpacked
from farense_tui.dataset.readers.table import Bad, Numbered, Table

_DAMAGE = (KeyError, ValueError, ParseError, zipfile.BadZipFile, EOFError)


def table(path: Path, wanted: str = "") -> Table:
    """Find the sheet: the one named, the only one that is not empty, the only one that is known.

    Raises FarenseError (refused) for what is damaged, packed as a bomb is, or not clear.
    """
    unpacked.check(path)
    extra.module("openpyxl", _("{kind} files").format(kind="XLSX"))
    try:
        with closing(_open(path, values=True)) as book:
            names = [sheet.title for sheet in book.worksheets]
            first = {sheet.title: _first(sheet) for sheet in book.worksheets}
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    filled = [name for name in names if first[name]]
    found = [wanted] if wanted in names else []
    if not wanted:
        known = [name for name in filled if recognise.shape(first[name])]
        found = filled if len(filled) == 1 else known
    if len(found) != 1:
        raise refused(
            _("which sheet of {path} is meant?").format(path=path.name),
            ", ".join(names),
            _("--table NAME names it."),
            kind="data",
        )
    (name,) = found
    return Table("XLSX", _('the sheet "{name}"').format(name=name), lambda: _rows(path, name))


def _rows(path: Path, name: str) -> Iterator[Numbered]:
    try:
        with closing(_open(path, values=True)) as book, closing(_open(path, values=False)) as made:
            names: list[str] = []
            values, formulas = book[name].iter_rows(), made[name].iter_rows()
            for number, (row, written) in enumerate(zip(values, formulas, strict=False), 1):
                cells = [_value(cell.value) for cell in row]
                if not names:
                    names = _names(cells)
                elif any(cell is not None for cell in cells):
                    yield number, _row(names, cells, written)
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def _row(names: list[str], cells: list[Any], written: Any) -> dict[str, Any] | Bad:
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
    return {name: cell for name, cell in zip(names, cells, strict=False) if name}


_ERRORS = ("#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#N/A")


def _names(cells: list[Any]) -> list[str]:
    """Give the columns' names, [] where the row is empty."""
    names = ["" if cell is None else str(cell).strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    return [
        f"{name} ({names[:at].count(name) + 1})" if name and name in names[:at] else name
        for at, name in enumerate(names)
    ]


def _first(sheet: Any) -> dict[str, Any]:
    """Give the first row below the names; {} for an empty sheet."""
    names: list[str] = []
    for row in sheet.iter_rows(max_row=50, values_only=True):
        if not names:
            names = _names(list(row))
        elif any(cell is not None for cell in row):
            return {name: cell for name, cell in zip(names, row, strict=False) if name}
    return {}


def _value(cell: Any) -> Any:
    """Give a cell as JSON has it: whole numbers without a point, days as ISO 8601."""
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    if isinstance(cell, datetime.datetime) and not (cell.hour or cell.minute or cell.second):
        return cell.date().isoformat()
    if isinstance(cell, datetime.datetime | datetime.date | datetime.time):
        return cell.isoformat()
    return cell


def _open(path: Path, *, values: bool) -> Any:
    openpyxl = extra.module("openpyxl", "XLSX")
    return openpyxl.load_workbook(path, read_only=True, data_only=values)


def _damaged(path: Path, error: Exception) -> FarenseError:
    return refused(
        _("{path} is damaged").format(path=path),
        str(error).splitlines()[0] if str(error) else type(error).__name__,
        _("Save it again."),
        kind="data",
    )
