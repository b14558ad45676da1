"""SQLite: a table or a view of a database, read and never written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.shapes import recognise

from farense_tui.dataset.readers.table import Numbered, Table

# not translated: SQL
_TABLES = """SELECT name FROM sqlite_master WHERE type IN ('table', 'view')
    AND name NOT LIKE 'sqlite_%' ORDER BY name"""


def table(path: Path, wanted: str = "") -> Table:
    """Find the table: the one named, the only one, or the only one with rows that are known."""
    try:
        with closing(_connect(path)) as database:
            names = [name for (name,) in database.execute(_TABLES)]
            known = [name for name in names if wanted == name or _known(database, name)]
    except sqlite3.Error as error:
        raise _damaged(path, error) from error
    found = [wanted] if wanted in names else []
    if not wanted:
        found = names if len(names) == 1 else known
    if len(found) != 1:
        raise refused(
            _("which table of {path} is meant?").format(path=path.name),
            ", ".join(names) or _("there is none in it"),
            _("--table NAME names it."),
            kind="data",
        )
    (name,) = found
    others = ", ".join(other for other in names if other != name)
    what = _("not read: {names}; --table NAME reads it instead").format(names=others)
    sign = _('the table "{name}"').format(name=name)
    return Table("SQLite", sign, lambda: _rows(path, name), (what,) if others else ())


def _rows(path: Path, name: str) -> Iterator[Numbered]:
    try:
        with closing(_connect(path)) as database:
            rows = database.execute(f"SELECT * FROM {_quoted(name)}")
            names = [column[0] for column in rows.description]
            for number, cells in enumerate(rows, 1):
                yield number, dict(zip(names, cells, strict=True))
    except sqlite3.Error as error:
        raise _damaged(path, error) from error


def _known(database: sqlite3.Connection, name: str) -> bool:
    rows = database.execute(f"SELECT * FROM {_quoted(name)} LIMIT 1")
    first = rows.fetchone()
    names = [column[0] for column in rows.description]
    return bool(first and recognise.shape(dict(zip(names, first, strict=True))))


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(f"file:{quote(str(plain_file.resolved(path)))}?mode=ro", uri=True)
    database.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    return database


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _damaged(path: Path, error: sqlite3.Error) -> FarenseError:
    return refused(_("{path} cannot be read").format(path=path), f"SQLite: {error}", kind="data")
