"""CSV and TSV: which separator, whether the first row names the columns, one row at a time."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.shapes import columns

from farense_tui.dataset import encoding
from farense_tui.dataset.readers.table import Bad, Numbered, Table

_SEPARATORS = (",", ";", "\t", "|")
_SAMPLE = 200  # rows
_MOST_CELL = 1 << 24  # characters: a quotation mark that is never closed ends there
_MOST_NAME = 60
_MANY_LINES = 10  # of a cell


def table(path: Path, name: str) -> Table | None:
    """Recognise rows of cells in a text file of encoding `name`; None if it has one column."""
    csv.field_size_limit(_MOST_CELL)
    best, rows = "", list[list[str]]()
    for separator in _SEPARATORS:
        found = _sample(path, name, separator)
        if _agreeing(found) > _agreeing(rows):
            best, rows = separator, found
    if not best:
        return None
    head = _head(rows)
    named = head or [str(at) for at in range(1, len(rows[0]) + 1)]
    told = {"\t": _("tabulators"), ";": ";", "|": "|", ",": ","}[best]
    sign = _("cells between {separator}, columns {names}").format(
        separator=told, names=", ".join(named[:12])
    )
    remarks = () if head else (_("its first row is taken for data: no names stand there"),)
    return Table(
        "TSV" if best == "\t" else "CSV",
        sign,
        lambda: _rows(path, name, best, named, bool(head)),
        remarks,
    )


def _rows(
    path: Path, name: str, separator: str, names: list[str], head: bool
) -> Iterator[Numbered]:
    csv.field_size_limit(_MOST_CELL)
    with encoding.opened(path, name, newline="") as file:
        for number, cells in _numbered(file, separator):
            if isinstance(cells, Bad):
                yield number, cells
            elif not any(cells) or (head and number == 1):
                continue
            elif len(cells) != len(names):
                what = _("{n} cells where there are {columns} columns")
                yield number, Bad("cells", what.format(n=len(cells), columns=len(names)))
            elif lines := _swallowed(cells, separator):
                what = _("a cell of {n} rows: is a quotation mark not closed?")
                yield number, Bad("quote", what.format(n=lines))
            else:
                yield number, dict(zip(names, cells, strict=True))


def _swallowed(cells: list[str], separator: str) -> int:
    """How many rows a cell holds, as after a quotation mark that is not closed; 0 for text."""
    for cell in cells:
        if cell.count("\n") < _MANY_LINES:
            continue
        lines = [line for line in cell.splitlines() if line.strip()]
        like = Counter(line.count(separator) for line in lines[1:])
        (separators, alike), *_others = like.most_common(1)
        if separators == len(cells) - 1 and alike > 0.8 * len(lines):
            return len(lines)
    return 0


def _numbered(file: IO[str], separator: str) -> Iterator[tuple[int, Any]]:
    rows = csv.reader(file, delimiter=separator)
    number = 0
    while True:
        number += 1
        try:
            yield number, next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            what = _("no row of cells: {why}. Is a quotation mark not closed?")
            yield number, Bad("cells", what.format(why=error))


def _sample(path: Path, name: str, separator: str) -> list[list[str]]:
    found: list[list[str]] = []
    try:
        with encoding.opened(path, name, newline="") as file:
            for cells in csv.reader(_short(file), delimiter=separator):
                if cells:
                    found.append(cells)
                if len(found) == _SAMPLE:
                    break
    except csv.Error:
        return []
    return found


def _short(file: IO[str]) -> Iterator[str]:
    """Give the lines of a file's beginning: a file without ends of lines is no table."""
    for _at in range(50 * _SAMPLE):
        line = file.readline(_MOST_CELL)
        if not line:
            return
        yield line


def _agreeing(rows: list[list[str]]) -> float:
    """How well a separator fits: the share of rows of the commonest number of cells, by cells."""
    if not rows or len(rows[0]) < 2:
        return 0
    (cells, number), *_rest = Counter(map(len, rows)).most_common(1)
    return 0 if cells < 2 or cells != len(rows[0]) else number / len(rows) + cells / 1000


def _head(rows: list[list[str]]) -> list[str]:
    """Give the names of the columns, [] where the first row is data.

    Names are short, no numbers, each another; and one is known or none of them comes again below.
    """
    first = [cell.strip() for cell in rows[0]]
    if len(set(first)) < len(first) or any(len(cell) > _MOST_NAME for cell in first):
        return []
    if not all(first) or any(cell.replace(".", "").replace(",", "").isdigit() for cell in first):
        return []
    known = columns.QUESTION | columns.ANSWER | columns.TEXT | columns.SYSTEM | columns.CONTEXT
    known |= {"messages", "conversations", "id"}
    if columns.named(first, frozenset(known)):
        return first
    if any(cell.endswith(("?", ".", "!")) for cell in first):
        return []
    return first
