"""CSV and TSV: which separator, whether the first row names the columns, one row at a time."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext

from farense_tui.dataset import encoding
from farense_tui.dataset.readers import header
from farense_tui.dataset.readers.header import Header
from farense_tui.dataset.readers.table import Bad, Numbered, Table

_SEPARATORS = (",", ";", "\t", "|")
_SAMPLE = 200  # rows
_MOST_CELL = 1 << 24  # characters: a quotation mark that is never closed ends there
_MANY_LINES = 10  # of a cell

_Row = tuple[int, list[str]]  # with its number


def table(path: Path, name: str) -> Table | None:
    """Recognise rows of cells in a text file of encoding `name`; None if it has one column."""
    csv.field_size_limit(_MOST_CELL)
    best, rows = "", list[_Row]()
    for separator in _SEPARATORS:
        found = _sample(path, name, separator)
        if _agreeing(found) > _agreeing(rows):
            best, rows = separator, found
    if not best:
        return None
    head = header.find(rows)
    told = {"\t": _("tabulators"), ";": _("semicolons"), "|": _("bars"), ",": _("commas")}[best]
    sign = _("cells between {separator}, columns {names}").format(
        separator=told, names=", ".join(head.names[:12])
    )
    return Table(
        "TSV" if best == "\t" else "CSV",
        sign,
        lambda: _read(path, name, best, head),
        head.remarks,
    )


def _read(path: Path, name: str, separator: str, head: Header) -> Iterator[Numbered]:
    csv.field_size_limit(_MOST_CELL)
    with encoding.opened(path, name, newline="") as file:
        for number, cells in _numbered(file, separator):
            if isinstance(cells, Bad):
                yield number, cells
            elif not any(cells) or number <= head.number or (not head.number and _note(cells)):
                continue
            elif separator == "|" and set("".join(cells)) <= set("-: "):
                continue  # the line below the names of a table in Markdown
            elif head.again(cells):
                yield number, Bad(header.AGAIN, _("the names of the columns once more"))
            elif len(cells) != len(head.names):
                what = _("{n} cells where there are {columns} columns")
                yield number, Bad("cells", what.format(n=len(cells), columns=len(head.names)))
            elif lines := _swallowed(cells, separator):
                what = _("a cell of {n} rows: is a quotation mark not closed?")
                yield number, Bad("quote", what.format(n=lines))
            else:
                found = map(str.strip, cells) if separator == "|" else cells
                yield number, dict(zip(head.names, found, strict=True))


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
    """Give rows with their numbers; what is read only by guessing where a cell ends is Bad.

    Without `strict` a mark that is not closed takes in what follows, and marks that do not stand
    around a whole cell are gone, in silence.
    """
    lines = _Lines(file)
    rows = csv.reader(lines, delimiter=separator)
    number = 0
    while True:
        number += 1
        lines.kept = []
        try:
            cells = next(rows)
            if any('"' in line for line in lines.kept):
                cells = _strictly(lines.kept, separator)
            yield number, cells
        except StopIteration:
            return
        except csv.Error as error:
            lost = len(lines.kept)
            what = ngettext(
                "{n} line that is no row of cells ({why}): is a quotation mark not closed?",
                "{n} lines that are no row of cells ({why}): is a quotation mark not closed?",
                lost,
            )
            yield number, Bad("quote" if lost > 1 else "cells", what.format(n=lost, why=error))


def _strictly(lines: list[str], separator: str) -> list[str]:
    """Read the lines of one row. Raises csv.Error where it cannot be told where a cell ends.

    Of a single line that may be told: Google's TSV has no marks but those of the text, MySQL and
    others write `\\"` for one in a text.
    """
    try:
        return next(csv.reader(lines, delimiter=separator, strict=True))
    except csv.Error:
        if len(lines) > 1:
            raise
        line = lines[0].rstrip("\r\n")
        if separator == "\t":
            return line.split(separator)
        escape = "\\" if '\\"' in line else None
        plain = re.sub(f'" +(?={re.escape(separator)}|$)', '"', line)
        if line == lines[0] and line.count('"') % 2:  # the end of the file closes the last mark
            plain += '"'
        return next(csv.reader([plain], delimiter=separator, strict=True, escapechar=escape))


class _Lines:
    """The lines of a file. kept: those that were read since it was emptied."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.kept: list[str] = []

    def __iter__(self) -> Iterator[str]:
        for line in self._file:
            self.kept.append(line)
            yield line


def _sample(path: Path, name: str, separator: str) -> list[_Row]:
    found = list[_Row]()
    try:
        with encoding.opened(path, name, newline="") as file:
            for number, cells in enumerate(csv.reader(_short(file), delimiter=separator), 1):
                if any(cells) and not _note(cells):
                    found.append((number, cells))
                if len(found) == _SAMPLE:
                    break
    except csv.Error:
        return list[_Row]()
    return found


def _note(cells: list[str]) -> bool:
    """Whether it is no row but a note: Excel's `sep=;`, Anki's `#separator:tab`."""
    first = cells[0].removeprefix("\ufeff").strip('" ')
    return not any(cells[1:]) and first.startswith(("sep=", "#")) and len(first) > 1


def _short(file: IO[str]) -> Iterator[str]:
    """Give the lines of a file's beginning: a file without ends of lines is no table."""
    for _at in range(50 * _SAMPLE):
        line = file.readline(_MOST_CELL)
        if not line:
            return
        yield line


def _agreeing(rows: list[_Row]) -> float:
    """How well a separator fits: the share of rows of the commonest number of cells, by cells.

    The first row has as many, or one below a title that names a question and an answer.
    """
    if not rows:
        return 0
    (cells, number), *_rest = Counter(len(row) for _n, row in rows).most_common(1)
    begins = len(rows[0][1]) == cells or any(
        len(row) == cells and header.answered(row) for _n, row in rows[:20]
    )
    return 0 if cells < 2 or not begins else number / len(rows) + cells / 1000
