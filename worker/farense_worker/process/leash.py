"""A process that nobody waits for any more ends: whoever asked for it may have been killed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from farense_worker.protocol.errors import ExitCode

_EVERY = 1.0  # seconds


def follow(wanted: Callable[[], bool], at_end: Callable[[], None] = lambda: None) -> None:
    """End this process once it is no longer `wanted`; `at_end` is called before."""
    threading.Thread(target=_watch, args=(wanted, at_end), daemon=True).start()


def follow_parent() -> None:
    """End this process with the one that started it, which it may be computing for."""
    parent = os.getppid()
    follow(lambda: os.getppid() == parent)


def lives(pid: int) -> bool:
    """Whether there is a process of this number; none is signalled."""
    try:
        os.kill(pid, 0) if pid > 0 else None
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return pid > 0


def _watch(wanted: Callable[[], bool], at_end: Callable[[], None]) -> None:
    while wanted():
        time.sleep(_EVERY)
    at_end()
    os._exit(ExitCode.STOPPED)
