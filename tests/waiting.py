"""How a test waits: for a state, never for a time. The limits are for what goes wrong alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import psutil

T = TypeVar("T")


def until(
    condition: Callable[[], T],
    seconds: float = 120.0,
    *,
    meanwhile: Callable[[], object] = lambda: time.sleep(0.01),
    found: Callable[[], object] = lambda: "it did not come to that",
) -> T:
    """Wait until something is so, and give what it said.

    meanwhile: what is done between two looks.
    found: what a failure shows.
    """
    deadline = time.monotonic() + seconds
    while not (so := condition()):
        assert time.monotonic() < deadline, found()
        meanwhile()
    return so


def is_dead(pid: int) -> bool:
    """Whether a process is gone, or has ended and waits for its parent to hear of it."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
