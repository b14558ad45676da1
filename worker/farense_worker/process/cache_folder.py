"""Where what saves time is kept between runs; see the commands' reference for FARENSE_CACHE."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder(kind: str) -> Path | None:
    """Where entries of a kind are: FARENSE_CACHE, else the system's place; None if it is off."""
    given = os.environ.get("FARENSE_CACHE", "")
    if given.lower() == "off":
        return None
    if given:
        return Path(os.path.expanduser(given)) / kind
    if sys.platform == "darwin":
        caches = Path.home() / "Library" / "Caches"
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "farense-tui" / kind
