"""JSON: a row on each line, one array of rows, or an object that holds one array of rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.rows import json_lines
from farense_worker.protocol.shapes import nested, recognise

from farense_tui.dataset import encoding
from farense_tui.dataset.readers import orientation
from farense_tui.dataset.readers.table import Bad, Numbered, Table

_CHUNK = 1 << 16
_MOST_ROW = 1 << 26  # characters; longer ones are no rows
_MOST_WHOLE = 1 << 28  # bytes of a file that has to be read at once


def table(path: Path, name: str) -> Table | None:
    """Recognise JSON in a text file of encoding `name`; None if it is none."""
    with encoding.opened(path, name) as file:
        begin = file.read(_CHUNK).lstrip()
    if begin.startswith("["):
        lines = [line for line in begin.splitlines()[:3] if line.strip()]
        if len(lines) > 1 and all(_is(line, list) for line in lines[:2]):
            sign = _("each line is a JSON array of messages")
            return Table("JSONL", sign, lambda: _lines(path, name))
        return Table(_("a JSON array"), _("it begins with ["), lambda: _array(path, name))
    if not begin.startswith("{"):
        return None
    first = begin.splitlines()[0] if "\n" in begin or len(begin) < _CHUNK else begin
    alone = first == begin.rstrip() and len(begin) < _CHUNK
    if (_is(first, dict) and not (alone and _is_of_rows(first))) or not _has_list(path, name):
        return Table("JSONL", _("each line is a JSON object"), lambda: _lines(path, name))
    sign, rows = _listed(path, name)
    return Table(_("a JSON object with rows"), sign, lambda: iter([*enumerate(rows, 1)]))


def _lines(path: Path, name: str) -> Iterator[Numbered]:
    with encoding.opened(path, name) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, _row(line)


def _row(line: str) -> dict[str, Any] | Bad:
    try:
        found = json_lines.decode(line)
    except json_lines.Repeated as error:
        return Bad("row", str(error))
    except json.JSONDecodeError as error:
        what = _("not JSON: {why} (column {column})")
        return Bad("not_json", what.format(why=error.msg, column=error.colno))
    except RecursionError:
        return Bad("not_json", _("not a row: nested too deeply"))
    if isinstance(found, list) and found and all(map(_is_message, found)):
        return {"messages": found}
    return found if isinstance(found, dict) else Bad("row", _("not a JSON object"))


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and {"role", "content"} <= value.keys()


def _array(path: Path, name: str) -> Iterator[Numbered]:
    """Give the items of an array one by one, without holding the file."""
    with encoding.opened(path, name) as file:
        items = _Items(file)
        for number, item in enumerate(items, 1):
            yield number, _row(item)
        if items.fault:
            yield items.count + 1, Bad("not_json", items.fault)


class _Items:
    """The items of a JSON array, each as its text, read piece by piece.

    fault: why it breaks off, "" where it does not.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._text = ""
        self._at = 0
        self.count = 0
        self.fault = ""

    def __iter__(self) -> Iterator[str]:
        decoder = json.JSONDecoder()
        self._skip()
        self._at += 1  # the bracket
        while (sign := self._skip(",")) and sign != "]":
            piece = _CHUNK
            while True:
                try:
                    _item, end = decoder.raw_decode(self._text, self._at)
                except RecursionError:
                    self.fault = _("not a row: nested too deeply")
                    return
                except json.JSONDecodeError as error:
                    if not self._more(piece):
                        self.fault = _("not JSON: {why}").format(why=error.msg)
                        return
                    piece *= 2
                    continue
                if end == len(self._text) and self._more(piece):
                    continue  # a number may go on
                break
            begin, self._at = self._at, end
            self.count += 1
            yield self._text[begin:end]
        if not sign:
            self.fault = _("the array has no end: the file is cut off")
            return
        self._at += 1
        if self._skip():
            self.fault = _("something stands after the end of the array")

    def _skip(self, sign: str = "") -> str:
        """Go to what is neither space nor `sign`, and give that character; "" at the end."""
        while True:
            while self._at < len(self._text):
                char = self._text[self._at]
                if not char.isspace() and char != sign and char != "\ufeff":
                    return char
                self._at += 1
            if not self._more(_CHUNK):
                return ""

    def _more(self, size: int) -> bool:
        """Read on; what was given already is forgotten."""
        if len(self._text) - self._at > _MOST_ROW:
            return False
        piece = self._file.read(size)
        self._text = self._text[self._at :] + piece
        self._at = 0
        return bool(piece)


def _is(line: str, kind: type) -> bool:
    try:
        return isinstance(json.loads(line), kind)
    except (ValueError, RecursionError):
        return False


def _is_of_rows(line: str) -> bool:
    """Whether an object is no row but has rows in it, of which nothing stands beside it."""
    values = json.loads(line)
    if orientation.rows(values):
        return True
    found = None if recognise.shape(values) else nested.shape(values)
    return bool(found and not found[1].read & values.keys())


def _has_list(path: Path, name: str) -> bool:
    """Whether the file is one object: its first line is none, and all of it is."""
    if path.stat().st_size > _MOST_WHOLE:
        raise refused(
            _("{path} is one JSON object, too large to be read at once").format(path=path),
            hint=_("Write its rows as JSONL, one on each line."),
            kind="data",
        )
    try:
        with encoding.opened(path, name) as file:
            return isinstance(json.load(file), dict)
    except (ValueError, RecursionError):
        return False


def _listed(path: Path, name: str) -> tuple[str, list[Any]]:
    with encoding.opened(path, name) as file:
        try:
            values = json_lines.decode(file.read())
        except json_lines.Repeated as error:
            title = _("{path} cannot be read").format(path=path)
            raise refused(title, str(error), kind="data") from error
    if oriented := orientation.rows(values):
        sign = _('pandas calls this orientation "{name}"')
        if oriented[0] == "splits":
            sign = _("its keys name the splits")
        return sign.format(name=oriented[0]), oriented[1]
    lists = {
        key: each
        for key, each in values.items()
        if isinstance(each, list) and each and isinstance(each[0], dict)
    }
    if len(lists) > 1:
        raise refused(
            _("{path} holds several arrays of rows").format(path=path),
            ", ".join(lists),
            _("Write the one that is meant into a file of its own."),
            kind="data",
        )
    if not lists or (len(values) == 1 and "messages" in lists):
        return _("all of it is one object"), [values]
    key, rows = next(iter(lists.items()))
    return _('its "{key}" is an array of objects').format(key=key), rows
