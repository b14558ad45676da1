"""Who has a run folder as a whole: whoever writes its report, renames or deletes it.

A worker takes it before it ends, and hands it on to the process that writes the report. So whoever
waits for the folder once the worker has ended waits for the report too, begun or not.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from farense_worker.protocol import plain_file

HANDED_ON = "FARENSE_FOLDER"


def taken(folder: Path) -> int | None:
    """Take it without waiting; the descriptor that holds it, None if somebody else does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # or there are no locks here
        plain_file.release(descriptor)
        return None
    return descriptor


def taken_over(folder: Path) -> int | None:
    """Take over the descriptor that whoever started this process has handed on, once."""
    passed = os.environ.pop(HANDED_ON, "")
    try:
        descriptor = int(passed)
        same = os.path.samestat(os.fstat(descriptor), folder.stat())
        os.set_inheritable(descriptor, False)
    except (OSError, ValueError, OverflowError):
        return None
    return descriptor if same else None


def is_free(folder: Path) -> bool:
    """Whether nobody has it; true where there is no such folder any more."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            plain_file.release(descriptor)
    return True
