"""Makes a process believe that it runs on a Mac: an M1 with 16 GB and macOS 15 (tests/darwin).

Python imports this by itself in every process that has this folder in its PYTHONPATH, so the app,
its workers and whatever they start are all told the same. The system's programs are taken from
DARWIN_BIN, where each prints what was recorded and notes that it was asked; what is no program is
replaced here. What others import by the platform is imported first, as this machine has it.
"""

from __future__ import annotations

import os

_BIN = os.environ.get("DARWIN_BIN", "")

if _BIN:
    import asyncio
    import asyncio.unix_events  # noqa: F401
    import ctypes
    import ctypes.util
    import fcntl
    import multiprocessing.util  # noqa: F401
    import platform
    import subprocess
    import sys
    import sysconfig
    import types
    import urllib.request
    import uuid  # noqa: F401
    import webbrowser  # noqa: F401
    from typing import Any

    import psutil
    import truststore  # noqa: F401 - of macOS it would load the Security framework

    sysconfig.get_config_vars()
    _FULL, _GETPATH = 51, 50  # <sys/fcntl.h> there
    _popen, _cdll, _fcntl = subprocess.Popen.__init__, ctypes.CDLL, fcntl.fcntl

    def _start(self: Any, args: Any, *rest: Any, **how: Any) -> None:
        """Take the stand-in of a system's program."""
        if isinstance(args, (list, tuple)) and args:
            first = os.fspath(args[0])
            own = os.path.join(_BIN, os.path.basename(first))
            if os.path.dirname(first) in ("/usr/bin", "/usr/sbin"):
                if not os.path.exists(own):
                    raise FileNotFoundError(2, "No such file or directory", first)
                args = [own, *args[1:]]
        _popen(self, args, *rest, **how)

    class _Libproc:
        """proc_pid_rusage of libproc: fields of rusage_info_v0, in bytes."""

        def proc_pid_rusage(self, pid: int, _flavour: int, info: Any) -> int:
            if os.environ.get("DARWIN_NO_RUSAGE"):
                return -1
            try:
                info._obj.ri_phys_footprint = psutil.Process(pid).memory_info().rss
                with open(f"/proc/{pid}/stat", encoding="utf-8") as told:
                    started = told.read().rpartition(")")[2].split()[19]
            except (OSError, psutil.Error):
                return -1
            info._obj.ri_proc_start_abstime = int(started)
            return 0

    def _load(name: Any, *rest: Any, **how: Any) -> Any:
        return _Libproc() if str(name).endswith("libproc.dylib") else _cdll(name, *rest, **how)

    def _control(fd: Any, command: int, *rest: Any) -> Any:
        if command == _FULL:
            return os.fsync(fd)
        if command == _GETPATH:
            return os.readlink(f"/proc/self/fd/{fd}").encode() + b"\0"
        return _fcntl(fd, command, *rest)

    subprocess.Popen.__init__ = _start  # type: ignore[method-assign]
    ctypes.CDLL = _load  # type: ignore[assignment, misc]
    fcntl.fcntl = _control
    fcntl.F_FULLFSYNC, fcntl.F_GETPATH = _FULL, _GETPATH  # type: ignore[attr-defined]
    sys.modules["_scproxy"] = types.ModuleType("_scproxy")
    urllib.request.getproxies = lambda: {}
    sys.platform = "darwin"
    platform.system = lambda: "Darwin"
    platform.machine = lambda: os.environ.get("DARWIN_MACHINE", "arm64")
    version = os.environ.get("DARWIN_VERSION", "15.5")
    platform.mac_ver = lambda *_: (version, ("", "", ""), "arm64")
    if os.environ.get("COVERAGE_PROCESS_START"):
        import coverage

        coverage.process_startup()
