"""A process that nobody waits for any more ends: whoever asked for it may have been killed.

Whoever starts one names itself to it, so that it ends too where the other is gone before it looks;
and what it starts in its turn ends with it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from farense_worker.protocol.errors import ExitCode

PARENT = "FARENSE_PARENT"
_EVERY = 1.0  # seconds


def on_leash() -> dict[str, str]:
    """Variables with which a process is started that is to end with this one."""
    return {PARENT: str(os.getpid())}


def follow(wanted: Callable[[], bool], at_end: Callable[[], None] = lambda: None) -> None:
    """End this process once it is no longer `wanted`; `at_end` is called before."""
    threading.Thread(target=_watch, args=(wanted, at_end), daemon=True).start()


def follow_parent() -> None:
    """End this process with the one that started it, which it may be computing for."""
    named = os.environ.get(PARENT, "")
    parent = int(named) if named.isdigit() else os.getppid()
    os.environ |= on_leash()
    follow(lambda: os.getppid() == parent)


def follow_if_named() -> None:
    """Follow the parent where it has named itself: most of what is started may outlive it."""
    if PARENT in os.environ:
        follow_parent()


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
