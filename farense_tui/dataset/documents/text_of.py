"""The text of a document, with the place of each piece: PDF, DOCX, HTML, Markdown, plain text."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import FarenseError, first_line, refused
from farense_worker.protocol.language import gettext as _

from farense_tui.dataset import encoding, extra
from farense_tui.dataset.readers import unpacked

SUFFIXES = (".pdf", ".docx", ".html", ".htm", ".md", ".markdown", ".txt")
_MOST_SECONDS = 3.0  # of a processor, for a page and for each MB of it: ten times what one takes
_SCANNED = 20  # characters of a page; below them it is a picture
_BLOCKS = frozenset(("p", "div", "br", "li", "tr", "section", "article", "blockquote", "pre"))
_BLOCKS |= {f"h{level}" for level in range(1, 7)}
_SILENT = frozenset(["script", "style", "nav", "header", "footer", "noscript", "template", "svg"])


@dataclass(frozen=True)
class Part:
    """Some text of a document. place: "page 3", or "" where there is none to tell."""

    place: str
    text: str


def read(path: Path, remark: Callable[[str], None]) -> list[Part]:
    """Give a document's text; `remark` is told what else its owner should know.

    Raises FarenseError (refused) for one with a password, a scan, one that is damaged or empty.
    """
    with plain_file.reading(path) as file:
        begin = file.read(5)
    if begin == b"%PDF-":
        parts = _pdf(path, remark)
    elif begin.startswith(b"PK\x03\x04"):
        parts = _docx(path)
    elif begin.startswith(b"\xd0\xcf\x11\xe0"):
        raise _refused(path, _("it has a password, or is a Word file of before 2007"))
    else:
        parts = _text(path, remark)
    parts = [Part(each.place, tidy(each.text)) for each in parts]
    if not any(each.text for each in parts):
        raise _refused(path, _("there is no text in it"))
    return [each for each in parts if each.text]


def tidy(text: str) -> str:
    """Join words that a line's end parted, and lines of a paragraph; paragraphs stay."""
    text = re.sub(r"(?<=\w)-\n(?=[a-zà-ÿ])", "", text.replace("\r\n", "\n").replace("\x00", ""))
    paragraphs = re.split(r"\n\s*\n", text)
    return "\n\n".join(filter(None, (" ".join(each.split()) for each in paragraphs)))


def _pdf(path: Path, remark: Callable[[str], None]) -> list[Part]:
    pypdf = extra.module("pypdf", _("{kind} files").format(kind="PDF"))
    with extra.reading(partial(_damaged, path)):
        reader = pypdf.PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise _refused(path, _("it has a password"), _("Save a copy without one."))
        texts = [page.extract_text() or "" for page in reader.pages]
    empty = sum(len(text.strip()) < _SCANNED for text in texts)
    if texts and empty == len(texts):
        raise _refused(
            path,
            _("it is a scan: its pages are pictures without text"),
            _("A program for text recognition puts text under them, such as ocrmypdf."),
        )
    if empty:
        said = _("{n} of {pages} pages of {name} have no text: pictures, or empty")
        remark(said.format(n=empty, pages=len(texts), name=path.name))
    return [Part(_("page {n}").format(n=at), text) for at, text in enumerate(texts, 1)]


def _docx(path: Path) -> list[Part]:
    unpacked.check(path)
    docx = extra.module("docx", _("{kind} files").format(kind="DOCX"))
    with extra.reading(partial(_damaged, path)):
        document = docx.Document(str(path))
        blocks = [
            block.text
            if hasattr(block, "text")
            else "\n".join(" | ".join(cell.text for cell in row.cells) for row in block.rows)
            for block in document.iter_inner_content()
        ]
    return [Part("", "\n\n".join(blocks))]


def _text(path: Path, remark: Callable[[str], None]) -> list[Part]:
    looked = encoding.look(path)
    if looked.encoding is None:
        raise _refused(path, _("it is neither text nor one of the formats that are read"))
    if looked.encoding.sign:
        remark(f"{path.name}: {looked.encoding.name}, {looked.encoding.sign}")
    with encoding.opened(path, looked.encoding.name) as file:
        text = file.read()
    if path.suffix.lower() in (".html", ".htm") or _DOCTYPE.match(text):
        with extra.reading(partial(_damaged, path)):
            page = _Page(len(text))
            page.feed(text)
            page.close()
        text = page.text
    elif path.suffix.lower() in (".md", ".markdown"):
        text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    return [Part("", text)]


_DOCTYPE = re.compile(r"\s*<(!doctype\s+html|html)\b", re.IGNORECASE)


class _Page(HTMLParser):
    """What a page says: its blocks, without what only the browser reads.

    Raises ValueError for one that takes without end: of a mark that is not closed, the parser looks
    for the end anew at each mark after it.
    """

    def __init__(self, length: int) -> None:
        """length: of the page."""
        super().__init__()
        self._until = time.thread_time() + _MOST_SECONDS * (1 + length / (1 << 20))
        self._said: list[str] = []
        self._silent = 0

    def updatepos(self, i: int, j: int) -> int:
        """Look at the clock; the parser calls it at each mark."""
        if time.thread_time() > self._until:
            raise ValueError(_("it has too many marks that are not closed"))
        return super().updatepos(i, j)

    @property
    def text(self) -> str:
        """What it says."""
        return "".join(self._said)

    def handle_starttag(self, tag: str, _attributes: object) -> None:
        self._silent += tag in _SILENT
        if tag in _BLOCKS:
            self._said.append("\n\n")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in _SILENT and self._silent > 0
        if tag in _BLOCKS:
            self._said.append("\n\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._said.append(data)


def _damaged(path: Path, error: Exception) -> FarenseError:
    return _refused(path, _("it is damaged: {why}").format(why=first_line(error)))


def _refused(path: Path, what: str, hint: str = "") -> FarenseError:
    return refused(_("{path} is not read").format(path=path), what, hint, kind="document")
