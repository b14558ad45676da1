"""Why the disk takes nothing of a run any more, found out by writing.

The record and the log are on that disk, so they cannot tell. Beside a lack of space, which the
system tells: a quota, a disk that became read-only, broke, or was taken away.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.run_folder import disk_error, full, is_full

_BLOCK = 4096  # bytes: as little as a disk gives


def disk_fault(folder: Path) -> FarenseError | None:
    """Say it; None where the folder of a run takes what is written, or is another user's."""
    if not plain_file.may_be_there(folder, stat.S_ISDIR):
        return FarenseError(
            _("the folder of the run is gone"),
            _("{path} was deleted or moved, or its disk was taken away").format(path=folder),
            _("Where it is there again, or elsewhere, farense-tui resume goes on."),
            kind="run_lost",
        )
    if is_full(folder):
        return full(folder)
    try:
        _write(folder / f".probe-{os.getpid()}.tmp")
    except PermissionError:
        return None
    except OSError as error:
        return disk_error(OSError(error.errno, error.strerror, str(folder)), folder)
    return None


def takes_nothing(folder: Path) -> bool:
    """Whether the disk is full, for this user at least: the run waits for space."""
    fault = disk_fault(folder)
    return fault is not None and fault.kind == "disk_full"


def _write(path: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    try:
        with os.fdopen(plain_file.opened(path, flags, 0o600), "wb", buffering=0) as file:
            file.write(bytes(_BLOCK))
            os.fsync(file.fileno())
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


class Quiet:
    """Whether a record that should grow, by heartbeats at the least, has stopped growing."""

    _AFTER = 3.0  # seconds: a heartbeat comes every two

    def __init__(self) -> None:
        self._size, self._since = -1, 0.0

    def look(self, record: Path, at: float) -> bool:
        """Look at the record's length at this moment of a clock."""
        try:
            size = record.stat().st_size
        except OSError:
            size = -2
        if size != self._size:
            self._size, self._since = size, at
        return at - self._since >= self._AFTER
