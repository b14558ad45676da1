"""Whether the run's folder, its lock and its record are still the ones that this worker began with.

Somebody may delete, move or replace them while it trains. Then nobody could see or steer the
worker, or a second one could start and write over its files: it ends, with all saved where it can.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.processes import lock_holder
from farense_worker.protocol.run_folder import RunFolder

_LONGEST_PATH = 1024  # bytes, of F_GETPATH on macOS


class Custody:
    """Keeps the three open, so that their identity is theirs for as long as the worker lives.

    Numbers that are noted would not do: some file systems give another to a file that grows.
    """

    def __init__(self, folder: RunFolder) -> None:
        """Begin with what is there now; what is not there is not watched."""
        self._folder = folder
        self._held = {
            path: descriptor
            for path in (folder.path, folder.lock_file, folder.events)
            if (descriptor := _open(path)) is not None
        }
        self._holder = lock_holder.read(folder.lock_file)

    def lost(self) -> FarenseError | None:
        """Give the end of the run where one of the three is not its own any more."""
        path = next((path for path in self._held if not self._ours(path)), None)
        if path is None:
            return None
        now = self.whereabouts()
        if path != self._folder.path:
            detail = _("All is saved, unless another worker has taken the run over.")
        elif now:
            detail = _("It is {folder} now, and all is saved there.").format(folder=now)
        else:
            detail = _("Nothing could be saved: it was deleted, or its disk was taken away.")
        return FarenseError(
            _("{path} was moved, deleted or replaced while the run trained").format(path=path),
            detail,
            _("farense-tui resume {run} goes on, where there is a checkpoint.").format(
                run=now or self._folder.path
            ),
            kind="run_lost",
        )

    @contextlib.contextmanager
    def home(self) -> Iterator[RunFolder | None]:
        """Give the folder to save into; None where it is gone or another worker's.

        Where the lock is not ours any more, the one that is there is taken for so long.
        """
        now = self.whereabouts()
        if now is None or all(self._ours(path) for path in self._held):
            yield RunFolder(now) if now else None
            return
        folder = RunFolder(now)
        held = self._held.get(self._folder.lock_file)
        if held is not None and _same(held, folder.lock_file):
            yield folder
            return
        if self.is_taken_over():
            yield None
            return
        try:
            lock = folder.acquire(patience=0.2)
        except FarenseError:
            yield None
            return
        try:
            yield folder
        finally:
            plain_file.release(lock)

    def is_taken_over(self) -> bool:
        """Whether another worker has begun in it since, be it at work or at its end."""
        now = self.whereabouts()
        found = lock_holder.read(now / self._folder.lock_file.name) if now else None
        return found is not None and found != self._holder

    def record(self) -> Path | None:
        """Where what is still to be told goes, if the record is not ours any more; else None."""
        now, held = self.whereabouts(), self._held.get(self._folder.events)
        if now is None or held is None or _same(held, now / self._folder.events.name):
            return None
        return now / self._folder.events.name

    def whereabouts(self) -> Path | None:
        """Where the folder is now; None if it is deleted."""
        path = self._folder.path
        if path not in self._held or self._ours(path):
            return path
        try:
            found = _path(self._held[path])
        except OSError:
            return None
        return found if _same(self._held[path], found) else None

    def _ours(self, path: Path) -> bool:
        return _same(self._held[path], path)


def _open(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _same(descriptor: int, path: Path) -> bool:
    """Whether the file behind the descriptor is at the path; where it cannot be told, it is."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # a share that does not answer just now
        return True


def _path(descriptor: int) -> Path:
    if sys.platform == "darwin":
        got = fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(_LONGEST_PATH))
        return Path(os.fsdecode(got.split(b"\0")[0]))
    return Path(os.readlink(f"/proc/self/fd/{descriptor}"))
