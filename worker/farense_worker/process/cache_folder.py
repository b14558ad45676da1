"""Where what saves time is kept between runs; see the commands' reference for FARENSE_CACHE."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder(kind: str) -> Path | None:
    """Where entries of a kind are: FARENSE_CACHE, else the system's place.

    None if it is off, or the folder of the kind is a link: what is old is deleted there.
    """
    given = os.environ.get("FARENSE_CACHE", "")
    if given.lower() == "off":
        return None
    if given:
        return _no_link(Path(os.path.expanduser(given)) / kind)
    if sys.platform == "darwin":
        caches = Path(os.path.expanduser("~/Library/Caches"))
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    return _no_link(caches / "farense-tui" / kind)


def _no_link(folder: Path) -> Path | None:
    if not os.path.islink(folder):  # one that cannot be looked at is told by what fails there
        return folder
    # not translated: for worker.log
    print(f"{folder.name}: {folder} is a link: nothing is kept in it", file=sys.stderr)
    return None
