"""Keeping the machine awake while it trains, evaluates, answers, exports or downloads."""

from __future__ import annotations

import contextlib
import shutil
import subprocess


def can_keep_awake() -> bool:
    """Whether there is what keeps this machine awake."""
    return shutil.which("caffeinate") is not None


def keep_awake(pid: int) -> None:
    """Keep a Mac from sleeping for as long as a process lives; elsewhere do nothing.

    caffeinate -i holds off idle sleep, -s sleep on mains power, -w ends with the process (its
    manual page). Never -d: a display that is on is what the GPU watchdog protects (mlx#3267).
    """
    caffeinate = shutil.which("caffeinate")
    if caffeinate:
        with contextlib.suppress(OSError):  # what trains goes on all the same
            subprocess.Popen(
                [caffeinate, "-i", "-s", "-w", str(pid)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
