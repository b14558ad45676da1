"""The one place where the screens ask for the time, so that tests can stop it."""

from __future__ import annotations

import time


def now() -> float:
    """Unix seconds."""
    return time.time()
