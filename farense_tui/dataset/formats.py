"""What a file is: by its first bytes, then by its text. Names are looked at last, or not at all."""

from __future__ import annotations

import shlex
import zipfile
from pathlib import Path

from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import mark

from farense_tui.dataset import encoding
from farense_tui.dataset.encoding import Looked
from farense_tui.dataset.readers import delimited, json_rows, packed, sqlite
from farense_tui.dataset.readers.table import Table

READ = _(
    "Read are JSONL, JSON arrays, CSV, TSV, SQLite, XLSX, Parquet and Arrow, each also in a gzip "
    "where it is text."
)
_DRAFT = mark(
    "It is read by farense-tui data draft {path} --to DIR, which has a model ask and answer."
)
_DOCUMENTS = (".docx", ".html", ".htm", ".md", ".markdown")


def table(path: Path, looked: Looked, wanted: str = "") -> Table:
    """Recognise a file. wanted: the table or sheet of it.

    Raises FarenseError (refused) for a file that is none of these, empty or damaged.
    """
    with plain_file.reading(path) as file:
        begin = file.read(300)
    if not begin:
        raise _refused(path, _("it is empty"))
    if begin.startswith(b"SQLite format 3\0"):
        return sqlite.table(path, wanted)
    if begin.startswith((b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")):
        from farense_tui.dataset.readers import arrow

        return arrow.table(path, begin[:16])
    if begin.startswith(b"PK\x03\x04"):
        return _zip(path, wanted)
    if begin.startswith(b"\xd0\xcf\x11\xe0"):
        raise _refused(
            path,
            _("it is an Excel file with a password, or of before 2007"),
            _("Save it as .xlsx without a password."),
        )
    if begin.startswith(b"%PDF-") or path.suffix.lower() in _DOCUMENTS:
        raise _document(path)
    if found_packed := packed.archive(begin):
        raise _refused(path, *found_packed)
    if looked.encoding is None:
        raise _refused(path, _("it is neither text nor one of the formats that are read"))
    with encoding.opened(path, looked.encoding.name) as text:
        if page := packed.web_page(text.read(1000)):
            raise _refused(path, *page)
    found = json_rows.table(path, looked.encoding.name)
    found = found or delimited.table(path, looked.encoding.name)
    if found is None:
        drafted = f"\n{_(_DRAFT).format(path=shlex.quote(str(path)))}"
        hint = READ + (drafted if path.suffix.lower() == ".txt" else "")
        raise _refused(path, _("it is text, but neither JSON nor a table of cells"), hint)
    return found


def _zip(path: Path, wanted: str) -> Table:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except zipfile.BadZipFile as error:
        raise _refused(path, _("it is damaged: {why}").format(why=error)) from error
    if "xl/workbook.xml" in names:
        from farense_tui.dataset.readers import excel

        return excel.table(path, wanted)
    if "word/document.xml" in names:
        raise _document(path)
    raise _refused(path, *packed.in_zip(path, names))


def _document(path: Path) -> FarenseError:
    what = _("it is a document: it has no rows of questions and answers")
    return _refused(path, what, _(_DRAFT).format(path=shlex.quote(str(path))))


def _refused(path: Path, what: str, hint: str = READ) -> FarenseError:
    return refused(_("{path} is not read").format(path=path), what, hint, kind="data")


def encoded(looked: Looked) -> str:
    """Tell how a text is encoded, where that is to be told."""
    found = looked.encoding
    return f"{found.name}: {found.sign}" if found and found.sign else ""
