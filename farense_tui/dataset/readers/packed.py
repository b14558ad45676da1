"""Files that are no rows as they are: archives, sheets of other programs, web pages."""

from __future__ import annotations

import zipfile
from pathlib import Path

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import mark

# Of archives that are not unpacked here, their first bytes.
_ARCHIVES = (
    (b"\x28\xb5\x2f\xfd", 0),  # Zstandard
    (b"BZh", 0),
    (b"\xfd7zXZ\0", 0),
    (b"7z\xbc\xaf\x27\x1c", 0),
    (b"Rar!", 0),
    (b"ustar", 257),  # tar
)
_SHEET = mark("it is a sheet of {program}")
_AS_TABLE = mark("Save it as XLSX or CSV.")
_UNPACK = mark("Unpack it, and give the file or folder.")


def archive(begin: bytes) -> tuple[str, str] | None:
    """Say that these first 300 bytes are of an archive, and what helps; None if they are not."""
    if any(begin[at:].startswith(sign) for sign, at in _ARCHIVES):
        return _("it is an archive"), _(_UNPACK)
    return None


def in_zip(path: Path, names: set[str]) -> tuple[str, str]:
    """Say what a zip is that is no XLSX and no DOCX, and what helps. names: of what is in it."""
    kind = ""
    if "mimetype" in names:
        with zipfile.ZipFile(path) as whole, whole.open("mimetype") as file:
            kind = file.read(200).decode("ascii", "replace")
    if kind.startswith("application/vnd.oasis.opendocument.spreadsheet"):
        return _(_SHEET).format(program="LibreOffice"), _(_AS_TABLE)
    if "Index/Document.iwa" in names:
        return _(_SHEET).format(program="Numbers"), _(_AS_TABLE)
    if kind.startswith(("application/vnd.oasis.opendocument", "application/epub")):
        return _("it is a document"), _("Save it as DOCX, HTML or text, for data draft.")
    return _("it is an archive"), _(_UNPACK)


def web_page(text: str) -> tuple[str, str] | None:
    """Say that a text is a web page, as some programs write under the name of a sheet."""
    begin = text.lstrip("\ufeff \r\n\t")[:300].casefold()
    if not begin.startswith(("<!doctype", "<html", "<table", "<?xml")):
        return None
    return _("it is a web page or XML under another name"), _(_AS_TABLE)
