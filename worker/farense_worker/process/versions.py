"""What this process is made of, for the record."""

from __future__ import annotations

import os
import platform
from importlib import metadata


def pid() -> int:
    """Process id of the worker."""
    return os.getpid()


def versions() -> dict[str, str]:
    """Versions of Python, MLX, mlx_lm and of this product."""
    found = {"python": platform.python_version()}
    for name, distribution in (
        ("mlx", "mlx"),
        ("mlx_lm", "mlx-lm"),
        ("farense_tui", "farense-tui"),
    ):
        try:
            found[name] = metadata.version(distribution)
        except metadata.PackageNotFoundError:  # run from a checkout that is not installed
            found[name] = "unknown"
    return found
