"""Who holds a run's lock: which process, of which machine, so that no other is ever signalled.

A process id is only a number: of another machine that shares the folder, of a container with
numbers of its own, or given to somebody else since. So the worker writes beside it the boot of the
machine and the moment at which the process was started, and both are compared before a signal.
"""

from __future__ import annotations

import os
import socket
import sys
from functools import cache
from pathlib import Path

import msgspec
import psutil

from farense_worker.protocol import plain_file
from farense_worker.protocol.processes import macos

_LONGEST = 4096  # bytes of a lock file that are read


class Holder(msgspec.Struct, frozen=True):
    """A process and where it is. boot, started: empty where they are not known."""

    pid: int
    host: str = ""
    boot: str = ""
    started: str = ""


def of(pid: int) -> Holder:
    """Describe a process of this machine."""
    return Holder(pid, socket.gethostname(), _boot(), _started(pid) or "")


def write(lock: int, holder: Holder) -> None:
    """Write into the lock file behind the descriptor `lock`."""
    os.ftruncate(lock, 0)
    os.pwrite(lock, msgspec.json.encode(holder), 0)


def read(lock_file: Path) -> Holder | None:
    """Read a lock file; None until a worker has written it, or for what no worker wrote.

    Workers of earlier versions wrote the process id alone.
    """
    try:
        return _read(plain_file.read(lock_file, _LONGEST, follow=True))
    except OSError:
        return None


def written_to(lock: int) -> Holder | None:
    """Read the lock file behind the descriptor `lock`, wherever it is by now."""
    try:
        return _read(os.pread(lock, _LONGEST, 0))
    except OSError:
        return None


def _read(written: bytes) -> Holder | None:
    try:
        found = msgspec.json.decode(written, type=Holder | int)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None
    return Holder(found) if isinstance(found, int) else found


def is_here(holder: Holder, lock_file: Path) -> bool:
    """Whether the process of that number on this machine is the very one that wrote the lock."""
    if not 1 < holder.pid < 1 << 31 or holder.pid == os.getpid():
        return False
    if holder.boot and _boot():
        if holder.boot != _boot():
            return False
    elif holder.host and holder.host != socket.gethostname():
        return False
    if holder.started and _started(holder.pid) not in (holder.started, None):
        return False
    if not _is_a_worker(holder.pid):
        return False
    opened = _has_open(holder.pid, lock_file)
    if opened is None:  # the system does not tell
        return bool(holder.started) or _works_on(holder.pid, lock_file.parent)
    return opened


def same_boot(lock_file: Path) -> bool | None:
    """Whether the machine still runs as it did when its worker wrote the lock.

    None where that is not known: another machine's lock, an earlier version's, none.
    """
    holder = read(lock_file)
    if holder is None or not holder.boot or not _boot() or holder.host != socket.gethostname():
        return None
    return holder.boot == _boot()


@cache
def _boot() -> str:
    """Name of this machine's boot; empty where it has none."""
    if sys.platform == "darwin":
        return (macos.said("/usr/sbin/sysctl", "-n", "kern.bootsessionuuid") or "").strip()
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """When a process was started, to compare; empty where there is none, None if it is not told.

    In ticks since the boot, where there are such: what psutil says moves with a clock that is set,
    and on a Mac with every sleep.
    """
    if sys.platform == "darwin":
        if told := macos.usage(pid):
            return str(told.ri_proc_start_abstime)
        return None if psutil.pid_exists(pid) else ""  # another user's is not told
    try:
        if sys.platform == "linux":
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        return repr(psutil.Process(pid).create_time())
    except (OSError, ValueError, IndexError, psutil.Error):
        return ""


def _has_open(pid: int, lock_file: Path) -> bool | None:
    """Whether a process has the lock file open; None where that is not told."""
    if sys.platform != "linux":
        return None
    try:
        lock = lock_file.stat()
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except FileNotFoundError:
        return False
    except OSError:
        return None
    for each in descriptors:
        try:
            if os.path.samestat(os.stat(f"/proc/{pid}/fd/{each}"), lock):
                return True
        except OSError:
            continue
    return False


def _is_a_worker(pid: int) -> bool:
    """Whether a process is a program of ours, by its command line; so may be one that is hidden.

    Whoever else holds the lock may be named in its file by whoever wrote that.
    """
    try:
        return any("farense_worker" in word for word in psutil.Process(pid).cmdline())
    except psutil.AccessDenied:  # of another user: the signal will tell
        return True
    except psutil.Error:
        return False


def _works_on(pid: int, run: Path) -> bool:
    """Whether a process was started on this run, by its command line."""
    try:
        return str(run) in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
