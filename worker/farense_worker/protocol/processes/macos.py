"""What macOS tells through its programs and libproc. Nothing here has been run on a Mac yet."""

from __future__ import annotations

import ctypes
import os
import subprocess

PATIENCE = 5.0  # seconds


def said(*command: str, patience: float | None = None) -> str | None:
    """What a program of the system says; "" where it answers late, None where it is not there.

    In C's figures: some of these programs write a decimal comma where the user's language does.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE if patience is None else patience,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError:
        return None
    except subprocess.TimeoutExpired:  # a machine that swaps
        return ""
    return done.stdout.decode("utf-8", "replace")


class Usage(ctypes.Structure):
    """struct rusage_info_v0 of <sys/resource.h>: bytes, and times in ticks since the boot."""

    _fields_ = (
        ("ri_uuid", ctypes.c_uint8 * 16),
        ("ri_user_time", ctypes.c_uint64),
        ("ri_system_time", ctypes.c_uint64),
        ("ri_pkg_idle_wkups", ctypes.c_uint64),
        ("ri_interrupt_wkups", ctypes.c_uint64),
        ("ri_pageins", ctypes.c_uint64),
        ("ri_wired_size", ctypes.c_uint64),
        ("ri_resident_size", ctypes.c_uint64),
        ("ri_phys_footprint", ctypes.c_uint64),
        ("ri_proc_start_abstime", ctypes.c_uint64),
        ("ri_proc_exit_abstime", ctypes.c_uint64),
    )


def usage(pid: int) -> Usage | None:
    """What a process of this user's takes; None where there is none, or it is not told."""
    info = Usage()
    libproc = ctypes.CDLL("/usr/lib/libproc.dylib", use_errno=True)
    failed = libproc.proc_pid_rusage(pid, 0, ctypes.byref(info))
    return None if failed else info
