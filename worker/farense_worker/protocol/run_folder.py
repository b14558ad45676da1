"""The run folder: names of its files, its lock, and what can be told of it without MLX."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from farense_worker.protocol import checkpoint_files, plain_file
from farense_worker.protocol.checkpoint_files import CheckpointFolder
from farense_worker.protocol.errors import FarenseError, more_files, refused, unreadable
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.processes import lock_holder
from farense_worker.protocol.settings.profile import Config
from farense_worker.protocol.settings.profile_file import load_config

NO_SPACE = 1 << 20  # bytes; less is left on a full disk by what is written in whole blocks
# Errors of a disk that is broken, read-only since it found a fault, or was taken away.
_BROKEN = (
    *(errno.EIO, errno.EROFS, errno.ENXIO, errno.ENODEV),
    *(errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN),
)
# A file or a lock that cannot be had just now, whatever is true of it.
_NOT_NOW = (
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR),
    *(errno.EIO, errno.ESTALE, errno.ETIMEDOUT),
)
_STATE = 1 << 16  # bytes of training_state.json, at most
_MOST_STEPS = 10**18  # as a checkpoint's name can have
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")


def is_name(name: str) -> bool:
    """Whether a run folder can have this name."""
    return _NAME.match(name) is not None


def check_name(name: str) -> str:
    """Give the name back if a run folder can have it; FarenseError (refused) if not."""
    if not is_name(name):
        raise refused(
            _("{name!r} cannot be the name of a run").format(name=name),
            _("A run is a folder in the runs folder and stays in it."),
            _("Use letters, digits, '.', '_' and '-', at most 100, the first a letter or a digit."),
            kind="run_name",
        )
    return name


class _ResumeFrom(msgspec.Struct):
    checkpoint: str
    step: Annotated[int, msgspec.Meta(ge=0, lt=_MOST_STEPS)]


@dataclass(frozen=True)
class RunFolder:
    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def config(self) -> Path:
        """Every setting, and what was asked for as it is called on any machine."""
        return self.path / "config.toml"

    @property
    def events(self) -> Path:
        """The record: the worker's stdout."""
        return self.path / "events.jsonl"

    @property
    def note(self) -> Path:
        """What the app noted of a long record, to open it faster; may be deleted at any time."""
        return self.path / "events.note"

    @property
    def log(self) -> Path:
        """The worker's stderr."""
        return self.path / "worker.log"

    @property
    def lock_file(self) -> Path:
        """Locked for as long as a worker lives; holds its process id."""
        return self.path / "lock"

    @property
    def places(self) -> Path:
        """Where the model and the data are on this machine, by whoever started the worker."""
        return self.path / "places.json"

    @property
    def data(self) -> Path:
        """The run's own copy of a small data set."""
        return self.path / "data"

    @property
    def adapters(self) -> Path:
        """The best adapter, as mlx_lm reads it."""
        return self.path / "adapters"

    @property
    def trunk(self) -> Path:
        """Activations of the frozen layers, while the run is not at its end."""
        return self.path / "trunk"

    @property
    def training_state(self) -> Path:
        """Names the checkpoint to resume from."""
        return self.path / "training_state.json"

    @property
    def evaluation(self) -> Path:
        """What `evaluate` has found of the run's adapter and its base model."""
        return self.path / "evaluation.json"

    @property
    def report(self) -> Path:
        """The report of a run that has ended: one page with everything in it."""
        return self.path / "report.html"

    @property
    def remark(self) -> Path:
        """What the user has noted on the run."""
        return self.path / "remark.txt"

    def exists(self) -> bool:
        """Whether this is a run: a folder with a configuration."""
        return self.config.is_file()

    def read_config(self) -> Config:
        """Read config.toml; FarenseError if it cannot be read or has faults."""
        otherwise = _("{path} is not a run").format(path=self.path)
        if os.path.lexists(self.config) or plain_file.may_be_there(self.events):
            otherwise = _("the settings of run {name} cannot be read").format(name=self.name)
        return load_config(self.config, otherwise)

    def checkpoints(self) -> list[CheckpointFolder]:
        """List the checkpoints whose manifest is in its place, oldest first; an OSError of a folder
        that cannot be listed just now.
        """
        return checkpoint_files.found(self.path)

    def resume_step(self) -> int | None:
        """Step that a resume would continue after, as training_state.json says; None without.

        Where what that names is not there, as in the file of another run, the newest one tells it.
        Raises OSError as `checkpoints`: there may be some.
        """
        with contextlib.suppress(OSError, ValueError, RecursionError):  # msgspec's are ValueErrors
            read = plain_file.read(self.training_state, _STATE)
            told = msgspec.json.decode(read, type=_ResumeFrom)
            if checkpoint_files.is_there(self.path, told.checkpoint, told.step):
                return told.step
        newest = self.checkpoints()[-1:]
        return newest[0].step if newest else None

    def resume_from(self, checkpoint: str, step: int) -> None:
        """Write training_state.json: a resume goes on from this one."""
        told = {"checkpoint": checkpoint, "step": step}
        write_atomically(self.training_state, json.dumps(told))

    def acquire(self, patience: float = 1.0) -> int:
        """Take the lock; give the open descriptor, which holds it until it is closed.

        A reader that asks `is_alive` holds the lock for an instant, so this tries again for
        `patience` seconds. Raises FarenseError (refused) if a worker holds it.
        """
        descriptor = self._open_lock()
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not self._is_lock(descriptor):  # deleted between the opening and the locking
                    plain_file.release(descriptor)
                    descriptor = self._open_lock()
                    continue
                with plain_file.named(self.lock_file):
                    os.ftruncate(descriptor, 0)
                return descriptor
            except BlockingIOError:
                if time.monotonic() > deadline:
                    plain_file.release(descriptor)
                    raise refused(
                        _("run {name} is already being trained").format(name=self.name),
                        _("Process {pid} holds {file}.").format(
                            pid=self.pid(), file=self.lock_file
                        ),
                        _(
                            "farense-tui attach {run} shows it, farense-tui stop {run} stops it."
                        ).format(run=self.name),
                        kind="run_locked",
                    ) from None
                time.sleep(0.02)
            except OSError as error:  # a share that knows no locks, as some of SMB and NFS
                plain_file.release(descriptor)
                if error.filename:  # of the file, and not of locking it
                    raise disk_error(error, self.path) from error
                raise refused(
                    _("files cannot be locked in {folder}").format(folder=self.path.parent),
                    error.strerror or str(error),
                    _("Choose a --runs-dir on a disk of this machine."),
                    kind="no_locks",
                ) from error

    def _open_lock(self) -> int:
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            return plain_file.opened(self.lock_file, flags, 0o644)
        except OSError as error:
            raise disk_error(error, self.path) from error

    def _is_lock(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self.lock_file.stat())
        except FileNotFoundError:
            return False

    def is_alive(self) -> bool:
        """Whether a worker holds the lock. This, not a process id, tells if a run is alive.

        One that cannot be looked at just now (too many open files, a disk that fails) is taken for
        alive: nobody may resume, delete or mourn a run whose worker may be at work.
        """
        try:
            descriptor = plain_file.opened(self.lock_file, os.O_RDONLY)
        except OSError as error:
            return error.errno in _NOT_NOW
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError as error:  # no locks there: nobody can have begun
            return error.errno in _NOT_NOW
        finally:
            plain_file.release(descriptor)
        return False

    def pid(self) -> int | None:
        """Process id that stands in the lock; None until the worker has written it, which it does
        once it is ready for signals. To be shown, not signalled: see lock_holder.
        """
        holder = lock_holder.read(self.lock_file)
        return holder.pid if holder else None


def write_pid(lock: int, pid: int) -> None:
    """Write into the lock file behind the descriptor `lock` which process it is that works.

    Raises FarenseError where the disk does not take it: nobody could steer such a worker.
    """
    try:
        lock_holder.write(lock, lock_holder.of(pid))
    except OSError as error:
        raise disk_error(error, Path(_("the lock"))) from error


def sync(path: Path) -> None:
    """Bring a file or a folder to the disk itself.

    fsync on macOS leaves the data in the drive's cache; F_FULLFSYNC does not (fsync(2) there).
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        full = getattr(fcntl, "F_FULLFSYNC", None)
        if full is not None:
            with contextlib.suppress(OSError):  # some file systems refuse it
                fcntl.fcntl(descriptor, full)
                return
        os.fsync(descriptor)
    finally:
        plain_file.release(descriptor)


def write_atomically(path: Path, text: str) -> None:
    """Replace a file as a whole: after a power loss it is the old one or the new one."""
    beside = path.with_name(f".{path.name}.tmp")
    beside.unlink(missing_ok=True)
    try:
        with plain_file.named(path):
            beside.write_text(text, encoding="utf-8")
            sync(beside)
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    sync(path.parent)


def free_space(folder: Path) -> int:
    """Bytes that are free on the disk where the folder is or would be.

    What has no size, as /proc, or does not tell it, as some mounted by a program, is not full: it
    says itself why it takes nothing.
    """
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    try:
        usage = shutil.disk_usage(there)
    except OSError:
        return sys.maxsize
    return usage.free if usage.total else sys.maxsize


def is_full(folder: Path) -> bool:
    """Whether the disk of a run has no space left: its record is on it, and cannot tell it."""
    try:
        return free_space(folder) < NO_SPACE
    except OSError:
        return False


def full(path: Path | str, number: int = errno.ENOSPC, option: str = "--runs-dir") -> FarenseError:
    """Say that there is no space for what would be at the path; number: the system's, of why.

    option: by which another place is chosen.
    """
    return refused(
        _("no space on the disk"),
        f"{path}: {os.strerror(number)}",
        _("Delete old runs or choose another {option}.").format(option=option),
        kind="disk_full",
    )


def disk_error(error: OSError, path: Path, option: str = "--runs-dir") -> FarenseError:
    """Say what an OSError on what is written means to the user; option: as `full` has it.

    One that came from reading, as of what is copied, is told as such.
    """
    place = plain_file.named_by(error) or path
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return full(place, error.errno, option)
    if plain_file.was_read(error):
        return unreadable(error)
    title = _("cannot write {path}").format(path=place)
    detail = error.strerror or str(error)
    hint = _("Give this user the right to write there, or choose another {option}.")
    hint = hint.format(option=option)
    if error.errno == errno.ELOOP:
        detail = _("it is a link, and nothing is written through one")
        hint = _("Put the file that it leads to in its place, or take it away.")
    elif error.errno == errno.ENOENT:
        hint = _("It was moved or deleted meanwhile.")
    elif isinstance(error, plain_file.NoFile):
        hint = _("Take it away: the run makes its own file there.")
    elif error.errno == errno.EFBIG:
        hint = _("No file may be that long there: ulimit -f shows this shell's limit.")
    elif error.errno in (errno.EMFILE, errno.ENFILE):
        hint = more_files()
    elif error.errno in _BROKEN:
        hint = _("Look after that disk, or choose another {option}.").format(option=option)
        if option == "--runs-dir":
            hint += " " + _("A run can be copied there.")
    return refused(title, detail, hint, kind="not_writable")
