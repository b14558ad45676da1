"""Files opened where somebody may have put something else into their place.

A pipe would be waited for, a device be read without end: in the place of a file of a run, a
model, a data set, a profile or the cache neither is opened.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any

from farense_worker.protocol.language import gettext as _

_MOST = 1 << 24  # bytes
_COPIED = 1 << 20  # bytes at once
_READ = "while it was read"  # not translated: stands in tracebacks
# What an error says of a file that is not there, or is none. All others tell nothing of what is
# in it: it may be sound, and be read the next time.
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EINVAL, errno.EFBIG)
# What it says of something that stands in the way: of that itself its owner has to be told.
_IN_THE_WAY = (
    *(errno.EISDIR, errno.EEXIST, errno.ENOTDIR),
    *(errno.ENOTEMPTY, errno.ELOOP, errno.EPERM),
)
_BESIDE = re.compile(r"(?<![^/])\.([^/]+?)(\.\d+)?\.tmp(?![^/])")


class NoFile(OSError):
    """What is there is a pipe, a device, a socket or a folder."""

    def __init__(self, path: Path) -> None:
        said = _("it is no file, but a pipe, a device or a folder")
        super().__init__(errno.EINVAL, said, str(path))


class _Unwritten(FileIO):
    """A file that this process does not write to: no error of closing it loses anything."""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()


class _Reading(_Unwritten):
    """Its errors name the file; NoFile where one would have to wait.

    Some of /proc's pass for files, and are pipes.
    """

    def __init__(self, path: Path, flags: int) -> None:
        super().__init__(opened(path, flags), "r")
        self.name = str(path)

    def readinto(self, buffer: Any) -> int:
        try:
            return self._there(super().readinto(buffer))
        except OSError as error:
            _unread(error, self.name)
            raise

    def readall(self) -> bytes:
        try:
            return self._there(super().readall())
        except OSError as error:
            _unread(error, self.name)
            raise

    def _there(self, found: Any) -> Any:
        if found is None:
            raise NoFile(Path(self.name))
        return found


def opened(path: Path, flags: int, mode: int = 0o666) -> int:
    """Give a descriptor, as os.open does; NoFile for what is none, an OSError for all else."""
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.EISDIR, errno.EOPNOTSUPP):  # pipe, folder, socket
            raise NoFile(path) from error
        if not flags & (os.O_WRONLY | os.O_RDWR):
            _unread(error, path)
        raise
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
    except OSError as error:
        release(descriptor)
        _unread(error, path)
        raise
    release(descriptor)
    raise NoFile(path)


def release(descriptor: int) -> None:
    """Close what was only looked at, locked or handed on: no error of that loses anything."""
    with contextlib.suppress(OSError):
        os.close(descriptor)


def _unread(error: OSError, path: Path | str) -> None:
    """Note on an error that it came from reading, and of which file."""
    if error.filename is None:
        error.filename = str(path)
    error.add_note(_READ)


def was_read(error: OSError) -> bool:
    """Whether an error came from reading a file: nothing is wrong with what is written."""
    return _READ in getattr(error, "__notes__", ())


def may_be_sound(error: BaseException) -> bool:
    """Whether a file that could not be read may be sound all the same, and be read later."""
    return isinstance(error, OSError) and error.errno not in _NO_FILE


def may_be_there(path: Path, kind: Callable[[int], bool] = stat.S_ISREG) -> bool:
    """Whether a file is there, or cannot be looked at just now: versions of Path differ in that."""
    try:
        return kind(os.stat(path).st_mode)
    except OSError as error:
        return may_be_sound(error)


def listed(folder: Path) -> list[str]:
    """Name what is in a folder; an OSError where one is there, or may be, and cannot be listed."""
    try:
        return os.listdir(folder)
    except OSError as error:
        if not may_be_sound(error):
            return []
        _unread(error, folder)
        raise


def named_by(error: OSError) -> str:
    """Give the path that an error is of, empty for none.

    What is written beside its place, to be renamed into it, is called by that place.
    """
    if not isinstance(error.filename, str | bytes):
        return ""
    path = os.fsdecode(error.filename)
    return path if error.errno in _IN_THE_WAY else _BESIDE.sub(r"\1", path)


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """Let an OSError that names no file, as those of writing do not, name this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def reading(path: Path) -> BufferedReader:
    """Open a file to read it; through a link as well."""
    return BufferedReader(_Reading(path, os.O_RDONLY))


def copy(source: Path, to: Path) -> None:
    """Copy what is in a file; an OSError names the one that could not be read, or be written."""
    with reading(source) as file, named(to), to.open("wb") as copied:
        shutil.copyfileobj(file, copied, _COPIED)


def to_append(path: Path) -> int:
    """Give the descriptor of a file that is written to at its end, and made if need be.

    Not through a link: in a folder from somebody else it leads to another file.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    return opened(path, flags)


def handed_on(path: Path) -> FileIO:
    """Open the end of a file for a process that is about to be started, which writes to it."""
    return _Unwritten(to_append(path), "a")


def take_away(folder: Path) -> None:
    """Remove a folder as far as that goes, or what stands in its place; of a link, the link."""
    if folder.is_symlink() or not folder.is_dir():
        with contextlib.suppress(OSError):
            folder.unlink(missing_ok=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)


def read(path: Path, most: int = _MOST, *, follow: bool = False) -> bytes:
    """Give what is in a file of at most so many bytes; an OSError for one that is longer.

    follow: through a link.
    """
    flags = os.O_RDONLY if follow else os.O_RDONLY | os.O_NOFOLLOW
    with named(path), BufferedReader(_Reading(path, flags)) as file:
        # read() makes room for all that it is asked for, which may be a thousand times the file
        size = os.fstat(file.fileno()).st_size
        found = file.read(min(most, size) + 1)
        if len(found) > size:  # it grows, or has no size, as in /proc
            found += file.read(most + 1 - len(found))
    if len(found) > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return found


def content(path: Path, most: int = _MOST) -> bytes:
    """`read` a file that is the user's own, or a model's: it may be a link, as in a cache."""
    return read(path, most, follow=True)


def text(path: Path, most: int = _MOST) -> str:
    """`content` as text: UTF-8, or it is a ValueError; each line's end is a newline."""
    return content(path, most).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def resolved(path: Path) -> Path:
    """Give where a path leads, as Path.resolve does, which raises no OSError for a loop of links.

    Whoever opens what this gives of one is told so by an OSError, as of every path.
    """
    return Path(os.path.realpath(path))
