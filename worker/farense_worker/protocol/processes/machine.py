"""This machine's memory and start, and this process's size: also where the system hides them.

psutil reads /proc on Linux, which a container or a jail may not have.
"""

from __future__ import annotations

import os
import resource
import sys
from typing import NamedTuple

import psutil

_HIDDEN = (OSError, psutil.Error, RuntimeError)  # RuntimeError: psutil's, of a /proc without lines


class Memory(NamedTuple):
    """Bytes. swap_used is 0 where it is not told."""

    total: int
    available: int
    swap_used: int


def memory() -> Memory:
    """Look at the machine's memory now."""
    try:
        virtual = psutil.virtual_memory()
        return Memory(virtual.total, virtual.available, psutil.swap_memory().used)
    except _HIDDEN:
        total = _pages("SC_PHYS_PAGES")
        return Memory(total, _pages("SC_AVPHYS_PAGES") or total, 0)


def own_memory() -> int:
    """Resident bytes of this process; the most that it ever had where the newest is not told."""
    try:
        return int(psutil.Process().memory_info().rss)
    except _HIDDEN:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def boot_time() -> float | None:
    """When the machine was started, in Unix seconds; it moves with a clock that is set."""
    try:
        return float(psutil.boot_time())
    except _HIDDEN:
        return None


def _pages(name: str) -> int:
    """Bytes of so many pages of memory; 0 where the system does not count those."""
    return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE") if name in os.sysconf_names else 0
