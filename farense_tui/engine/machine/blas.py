"""A fast BLAS for MLX's Linux CPU build, which brings a slow one.

Its wheel computes float32 matrix products at about 5 GFLOP/s; preloaded before it, OpenBLAS or
MKL answer the same calls many times faster (docs/performance.md). Found where Linux distributions,
conda and wheels put them; FARENSE_BLAS names one, or is `off`. On a Mac, and on a GPU, MLX needs
none of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

_NAMES = ("libopenblas.so.0", "libopenblasp.so.0", "libmkl_rt.so.3", "libmkl_rt.so.2")
_SYSTEM = ("/usr/lib/*-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib")


def find() -> Path | None:
    """Find the library; None where there is none, or none is wanted."""
    given = os.environ.get("FARENSE_BLAS", "")
    if sys.platform != "linux" or given.lower() == "off":
        return None
    if given:
        return Path(given) if Path(given).is_file() else None
    return next(_candidates(), None)


def environment(ranks: int = 1) -> dict[str, str]:
    """Give what a worker's environment needs to compute with it; nothing if there is none.

    ranks: processes that share this machine's cores.
    """
    library = find()
    if library is None:
        return {}
    preloaded = [str(library), os.environ.get("LD_PRELOAD", "")]
    found = {"LD_PRELOAD": ":".join(filter(None, preloaded))}
    if library.parent.name.endswith(".libs"):  # a wheel's, which has what it needs beside it
        # Never for a system's folder: that may hold another libpython than the one that runs.
        beside = [str(library.parent), os.environ.get("LD_LIBRARY_PATH", "")]
        found["LD_LIBRARY_PATH"] = ":".join(filter(None, beside))
    if ranks > 1 and "OPENBLAS_NUM_THREADS" not in os.environ:
        found["OPENBLAS_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // ranks))
    return found


def _candidates() -> Iterator[Path]:
    for folder in (*_system(), Path(sys.prefix) / "lib"):
        for name in _NAMES:
            if (folder / name).is_file():
                yield folder / name
    yield from _in_wheels()


def _system() -> Iterator[Path]:
    for pattern in _SYSTEM:
        yield from sorted(Path("/").glob(pattern.lstrip("/")))


def _in_wheels() -> Iterator[Path]:
    """The one that cvxopt's wheel brings (the fast-cpu extra)."""
    spec = find_spec("cvxopt")
    if spec and spec.origin:
        libraries = Path(spec.origin).parent.parent / "cvxopt.libs"
        yield from sorted(libraries.glob("libopenblas*.so*"))
