"""Folders as they are written down: from the home on, which has another name on another machine."""

from __future__ import annotations

import os
from pathlib import Path

from farense_worker.protocol import plain_file


def short(folder: Path) -> str:
    """Write a folder, `~/...` where it is in the user's home. What `here` gives is the same one."""
    folder = plain_file.resolved(folder)
    home = plain_file.resolved(Path(os.path.expanduser("~")))
    if home.name and folder.is_relative_to(home):
        return str(Path("~") / folder.relative_to(home))
    return str(folder)


def asked(path: str) -> str:
    """Write what was asked for, from wherever the user stands; empty for nothing."""
    return short(Path(os.path.expanduser(path))) if path else ""


def here(path: str) -> str:
    """Give the folder on this machine that was written down; anything else as it is."""
    return os.path.expanduser(path) if path.startswith("~/") or path == "~" else path
