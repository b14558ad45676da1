"""Files opened where somebody may have put something else into their place.

A pipe would be waited for, a device be read without end: in the place of a file of a run, a
model, a data set, a profile or the cache neither is opened.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from io import BufferedReader
from pathlib import Path

from farense_worker.protocol.language import gettext as _

_MOST = 1 << 24  # bytes


class NoFile(OSError):
    """What is there is a pipe, a device, a socket or a folder."""

    def __init__(self, path: Path) -> None:
        said = _("it is no file, but a pipe, a device or a folder")
        super().__init__(errno.EINVAL, said, str(path))


def opened(path: Path, flags: int, mode: int = 0o666) -> int:
    """Give a descriptor, as os.open does; NoFile for what is none, an OSError for all else."""
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.EISDIR, errno.EOPNOTSUPP):  # pipe, folder, socket
            raise NoFile(path) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NoFile(path)
    return descriptor


def reading(path: Path) -> BufferedReader:
    """Open a file to read it; through a link as well."""
    return os.fdopen(opened(path, os.O_RDONLY), "rb")


def to_append(path: Path) -> int:
    """Give the descriptor of a file that is written to at its end, and made if need be.

    Not through a link: in a folder from somebody else it leads to another file.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    return opened(path, flags)


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
    with os.fdopen(opened(path, flags), "rb") as file:
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
