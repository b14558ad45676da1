"""The folders of runs: where they are, which there are; renaming, noting, deleting one."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from farense_worker.protocol import plain_file, whole_folder
from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.run_folder import (
    RunFolder,
    check_name,
    disk_error,
    is_name,
    write_atomically,
)
from farense_worker.protocol.settings.profile import replace_setting
from farense_worker.protocol.settings.profile_file import dumps

_NOTE = 500  # characters
_PATIENCE = 60.0  # seconds; a report takes some
_POLL = 0.05
Identity = tuple[int, int, float] | None


def runs_dir(given: str | None = None) -> Path:
    """Where the runs are: --runs-dir, FARENSE_RUNS, ./checkpoints."""
    return Path(os.path.expanduser(given or os.environ.get("FARENSE_RUNS") or "checkpoints"))


def path_of(run: str, folder: Path) -> Path | None:
    """Give where a run of this name or path is, if there is one, whatever state it is in."""
    there = (folder / run, Path(os.path.expanduser(run)))
    return next((path for path in there if _touched(str(path)) >= 0), None)


def find(run: str, folder: Path) -> RunFolder:
    """Give a run by its name in `folder` or by its path; FarenseError if it is not there."""
    if path := path_of(run, folder):
        return RunFolder(_place(path))
    check(folder)
    names = ", ".join(summary.name for summary in folders(folder)) or _("none yet")
    raise refused(
        _("there is no run {name}").format(name=run),
        _("in {folder}").format(folder=folder),
        _("Runs: {names}.").format(names=names),
        kind="no_run",
    )


def folders(folder: Path) -> list[RunFolder]:
    """List the runs, the one written to last first."""
    parent = plain_file.resolved(folder)  # once, and not for each of hundreds
    found: list[tuple[float, str]] = []
    with contextlib.suppress(OSError):  # no folder, or one that `check` tells of, has no runs
        found = [(_touched(f"{parent}/{name}"), name) for name in os.listdir(parent)]
    found.sort(key=lambda run: run[0], reverse=True)
    return [RunFolder(parent / name) for touched, name in found if touched >= 0]


def check(folder: Path) -> None:
    """Raise FarenseError (refused) for a folder of runs that is there and cannot be listed.

    So is one that is a link to what is not there, as to a disk that was taken away.
    """
    try:
        os.listdir(folder)
    except OSError as error:
        why = error.strerror or str(error)
        if isinstance(error, FileNotFoundError):
            if not os.path.islink(folder):
                return
            why = _("it is a link to {place}, which is not there").format(place=os.readlink(folder))
        title = _("cannot read {path}").format(path=folder)
        raise refused(title, why, kind="no_runs") from error


def wrong(folder: Path) -> str:
    """Say in one cleaned line what `check` has to say; empty for nothing."""
    try:
        check(folder)
    except FarenseError as error:
        return clean(f"{error.title}: {error.detail}")
    return ""


def identity(folder: RunFolder) -> Identity:
    """What tells this run from another one that takes its name later; None where it is gone."""
    try:
        found = os.lstat(folder.path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise disk_error(error, folder.path) from error
    created = 0.0  # a folder's number is given to another one as soon as it is free
    with contextlib.suppress(FarenseError):
        created = folder.read_config().run.created
    return found.st_dev, found.st_ino, created


def delete(folder: RunFolder, seen: Identity = None) -> None:
    """Remove a run with all that it wrote; FarenseError (refused) while a worker is at it.

    Of a link to a run that is somewhere else, the link is removed. seen: the run that is meant;
    another one that has its name by now stays.
    """
    now = identity(folder)
    if now is None:  # deleted by somebody else
        return
    if seen not in (None, now):
        raise refused(
            _("{name} is another run now").format(name=folder.name),
            _("The one that was to be deleted is gone, and a new one has its name."),
            kind="other_run",
        )
    lock = folder.acquire()
    try:
        with alone(folder):
            if folder.path.is_symlink():
                folder.path.unlink()
            else:
                _remove(folder.path)
    except OSError as error:
        raise disk_error(error, folder.path) from error
    finally:
        plain_file.release(lock)


def _remove(run: Path) -> None:
    """Remove a folder, from its place first: into one that is half gone nobody could start.

    Raises OSError, with nothing removed, for one in which something may not be.
    """
    for place, inner, files in os.walk(run, onerror=_raise):
        if (inner or files) and not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), place)
    beside = run.with_name(f".{run.name.strip('.')}.deleted")
    if run != beside:
        plain_file.take_away(beside)  # what was left when that was cut off
        run.rename(beside)
    try:
        shutil.rmtree(beside)
    except OSError as error:  # which names a file as it is called in its folder
        if run != beside:
            beside.rename(run)  # with what is left of it
        raise OSError(error.errno, error.strerror, str(run)) from error


def _raise(error: OSError) -> None:
    raise error


def rename(folder: RunFolder, name: str) -> RunFolder:
    """Give a run another name; FarenseError (refused) if it is taken or a worker is at it."""
    check_name(name)
    target = folder.path.with_name(name)
    if os.path.lexists(target):
        title = _("there is a run {name} already").format(name=name)
        raise refused(title, str(target), kind="run_exists")
    lock = folder.acquire()
    try:
        with alone(folder):
            with contextlib.suppress(FarenseError):  # a config.toml with faults goes as it is
                config = replace_setting(folder.read_config(), "run.name", name)
                write_atomically(folder.config, dumps(config))
            folder.path.rename(target)
    except OSError as error:
        raise disk_error(error, folder.path) from error
    finally:
        plain_file.release(lock)
    return RunFolder(target)


def note(folder: RunFolder) -> str:
    """What the user has noted on a run, one cleaned line; empty for nothing."""
    try:
        with plain_file.reading(folder.remark) as file:
            return clean(file.read(4 * _NOTE).decode("utf-8", "replace")[:_NOTE])
    except OSError:
        return ""


def write_note(folder: RunFolder, text: str) -> None:
    """Note something on a run; nothing takes the note away."""
    try:
        if text.strip():
            write_atomically(folder.remark, f"{clean(text)[:_NOTE]}\n")
        else:
            folder.remark.unlink(missing_ok=True)
    except OSError as error:
        raise disk_error(error, folder.path) from error


@contextlib.contextmanager
def alone(folder: RunFolder) -> Iterator[None]:
    """Hold the folder itself, which whoever writes its report does, and who deletes it.

    Raises FarenseError (refused) if somebody else holds it for too long. Where there are no locks,
    nobody is kept out.
    """
    descriptor = whole_folder.taken_over(folder.path)
    if descriptor is None:
        descriptor = os.open(folder.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _lock(descriptor, folder)
        yield
    finally:
        plain_file.release(descriptor)


def _lock(descriptor: int, folder: RunFolder) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise refused(
                    _("run {name} is held by another program").format(name=folder.name),
                    str(folder.path),
                    _("Its report may be being written. Try again once that is done."),
                    kind="run_held",
                ) from None
        except OSError:
            return None
        time.sleep(_POLL)


def _place(path: Path) -> Path:
    """Make the path of a run absolute; a run that is a link stays one."""
    path, resolved = path.absolute(), plain_file.resolved
    return resolved(path.parent) / path.name if path.is_symlink() else resolved(path)


def _signs(path: str | Path) -> tuple[str, str]:
    """Give the files that make a folder a run: one that lost its settings has a record still."""
    return f"{path}/events.jsonl", f"{path}/config.toml"


def _touched(path: str) -> float:
    """When a run was written to last; 0 if that may not be seen, below it for what is no run."""
    for sign in _signs(path):
        try:
            return os.stat(sign).st_mtime
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:  # of another user, or of a disk that fails: a run, by its name at least
            return 0.0 if is_name(os.path.basename(path)) else -1.0
    return -1.0
