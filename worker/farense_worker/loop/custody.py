"""Whether the run's folder, its lock and its record are still the ones that this worker began with.

Somebody may delete, move or replace them while it works. Then nobody could see or steer the
worker, or a second one could start and write over its files: it ends, with all saved where it can.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from farense_worker.process.output import Output
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

    def __init__(
        self,
        folder: RunFolder,
        lock: int | None = None,
        record: int | None = None,
        *,
        watched: bool = True,
    ) -> None:
        """Begin with what the worker has open, else with what is there now.

        lock, record: descriptors; a record that is no file is not watched, nor what is not there.
        watched: False for a rank that has no folder of its own.
        """
        self._folder = folder
        if record is not None:  # a descriptor of our own: `Output.go_on_in` changes the other
            record = os.dup(record) if stat.S_ISREG(os.fstat(record).st_mode) else -1
        found = {
            folder.path: _open(folder.path),
            folder.lock_file: _open(folder.lock_file) if lock is None else lock,
            folder.events: _open(folder.events) if record is None else record,
        }
        self._held = {path: held for path, held in found.items() if watched and held >= 0}
        held = self._held.get(folder.lock_file)
        self._holder = None if held is None else lock_holder.written_to(held)

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
        now = self.whereabouts() if self._held else None
        found = lock_holder.read(now / self._folder.lock_file.name) if now else None
        return found is not None and found != self._holder

    def told_by(self, output: Output, why: FarenseError) -> FarenseError:
        """Give the error back; if the record is gone from its place, it is told in another there.

        Where another worker has taken the run over, the record is that one's: worker.log tells it.
        """
        if self.is_taken_over():
            print(why, file=sys.stderr)
            output.fall_silent()
        elif record := self.record():
            output.go_on_in(record)
        return why

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


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


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
