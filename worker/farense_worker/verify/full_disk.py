"""`python -m farense_worker.verify.full_disk RUN`: the worker, on a disk that can be full.

It is for as long as there is a file `full` beside the run's folder: what the worker writes is
refused with the system's error then, weights after half of them were written. What was refused is
named in the file `refused` there.
"""

from __future__ import annotations

import errno
import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import mlx.core as mx

_RUNS = Path(sys.argv[1]).resolve().parent
_FULL, _REFUSED = _RUNS / "full", _RUNS / "refused"
_open, _write = os.open, os.write


def main() -> None:
    """Take over the ways to the disk, and train."""
    os.write = _unless_full(os.write, "record")
    for name in ("write_text", "write_bytes"):
        setattr(Path, name, _unless_full(getattr(Path, name), "checkpoint"))
    mx.save_safetensors = _by_half(mx.save_safetensors)
    runpy.run_module("farense_worker", run_name="__main__", alter_sys=True)


def _unless_full(real: Callable[..., Any], what: str) -> Callable[..., Any]:
    def replaced(*args: Any, **kwargs: Any) -> Any:
        if _FULL.exists():
            _refuse(what)
        return real(*args, **kwargs)

    return replaced


def _by_half(real: Callable[..., Any]) -> Callable[..., Any]:
    def replaced(file: IO[bytes], *args: Any, **kwargs: Any) -> None:
        real(file, *args, **kwargs)
        if _FULL.exists():
            file.flush()
            os.truncate(file.name, file.tell() // 2)
            _refuse("checkpoint")

    return replaced


def _refuse(what: str) -> None:
    told = _open(_REFUSED, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    _write(told, f"{what}\n".encode())
    os.close(told)
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


if __name__ == "__main__":
    main()
