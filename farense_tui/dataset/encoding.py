"""How a text file is encoded: by its mark, by being valid, by what its letters would be."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _

_CHUNK = 1 << 20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What Western European text has beyond ASCII: letters of its languages, quotation marks, signs.
_WESTERN = set("áàâãäåæçéèêëíìîïñóòôõöøœúùûüýÿßÁÀÂÃÄÅÆÇÉÈÊËÍÌÎÏÑÓÒÔÕÖØŒÚÙÛÜÝ") | set(
    "ªºª°€£§«»“”‘’–—…•·¡¿´`¨©®™½¼¾²³\xa0"
)
_PLAUSIBLE = 0.97
_SAMPLE = 1 << 16
_SMALL = 1 << 26  # bytes that may be packed as tightly as they like
_MOST_RATIO = 100  # unpacked to packed; text has 3 to 20


@dataclass(frozen=True)
class Encoding:
    """name: for open(). sign: by what it is known, "" for plain UTF-8."""

    name: str
    sign: str = ""


@dataclass(frozen=True)
class Looked:
    """A file that was gone through once: its hash and its encoding, None where it is no text."""

    sha256: str
    bytes: int
    encoding: Encoding | None


def look(path: Path, given: str = "") -> Looked:
    """Go through a file; given: an encoding that its owner names. A gzip's text is looked at.

    Raises FarenseError for an encoding that Python does not know.
    """
    digest, size = hashlib.sha256(), 0
    with plain_file.reading(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    found = _given(given) if given else _encoding(path)
    return Looked(digest.hexdigest(), size, found)


@contextmanager
def opened(path: Path, encoding: str, newline: str | None = None) -> Iterator[IO[str]]:
    """Open a text file, or one in a gzip."""
    if packed(path):
        with gzip.open(path, "rt", encoding=encoding, newline=newline) as text:
            yield text
    else:
        file = io.TextIOWrapper(plain_file.reading(path), encoding=encoding, newline=newline)
        with file as plain:
            yield plain


@contextmanager
def raw(path: Path) -> Iterator[BinaryIO]:
    """Open a file, or what is in a gzip."""
    with gzip.open(path) if packed(path) else plain_file.reading(path) as file:
        yield cast(BinaryIO, file)


def packed(path: Path) -> bool:
    """Whether it is a gzip."""
    with plain_file.reading(path) as file:
        return file.read(2) == b"\x1f\x8b"


def _given(name: str) -> Encoding:
    try:
        return Encoding(codecs.lookup(name).name, _("as you say"))
    except LookupError:
        raise refused(
            _("there is no encoding {name}").format(name=name),
            hint=_("For example: utf-8, utf-16, latin-1, cp1252."),
            kind="data",
        ) from None


def _encoding(path: Path) -> Encoding | None:
    with raw(path) as file:
        begin = file.read(_SAMPLE)
        for mark, name in _MARKS:
            if begin.startswith(mark):
                return Encoding(name, _("its byte order mark"))
        if wide := _wide(begin):
            return wide
        if b"\0" in begin:
            return None
        sample = bytearray()
        most = max(_SMALL, _MOST_RATIO * path.stat().st_size) if packed(path) else 0
        if _is_utf8(begin, file, sample, most):
            return Encoding("utf-8")
    return _eight_bits(bytes(sample))


def _wide(begin: bytes) -> Encoding | None:
    """UTF-16 without a mark: of mostly Latin text every second byte is 0."""
    even, odd = begin[0:2000:2], begin[1:2000:2]
    for name, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if len(zeros) > 3 and zeros.count(0) > 0.6 * len(zeros) and others.count(0) == 0:
            return Encoding(name, _("every second byte is 0"))
    return None


def _is_utf8(begin: bytes, file: BinaryIO, sample: bytearray, most: int) -> bool:
    """Whether all of it is; else `sample` is filled with lines that are beyond ASCII.

    most: bytes, 0 for any number; more are refused (a gzip may become more than a disk holds).
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    chunk, valid, read = begin, True, 0
    while chunk:
        read += len(chunk)
        if most and read > most:
            raise refused(
                _("{path} is not unpacked").format(path=file.name),
                _("its {packed} KiB would become {unpacked} MiB").format(
                    packed=most // _MOST_RATIO >> 10, unpacked=read >> 20
                ),
                kind="data",
            )
        if valid and not (chunk.isascii() and not decoder.getstate()[0]):
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                valid = False
        if not chunk.isascii() and len(sample) < _SAMPLE:
            for line in chunk.splitlines():
                if not line.isascii() and len(sample) < _SAMPLE:
                    sample += line[:_SAMPLE] + b"\n"
        if not valid and len(sample) >= _SAMPLE:
            return False
        chunk = file.read(_CHUNK)
    if valid:
        try:
            decoder.decode(b"", True)
        except UnicodeDecodeError:
            valid = False
    return valid


def _eight_bits(sample: bytes) -> Encoding:
    """Windows-1252 or Latin-1 where that gives Western letters; else what the detector says."""
    for name in ("cp1252", "latin-1"):
        try:
            beyond = [char for char in sample.decode(name) if not char.isascii()]
        except UnicodeDecodeError:
            continue
        if sum(char in _WESTERN for char in beyond) >= _PLAUSIBLE * len(beyond):
            return Encoding(name, _("it is not UTF-8, and this gives Western European letters"))
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        return Encoding("cp1252", _("a guess: it is not UTF-8; --encoding names another"))
    best = from_bytes(sample).best()
    name = best.encoding if best else "cp1252"
    return Encoding(name, _("a guess by its letters; --encoding names another"))
