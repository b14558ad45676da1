"""A small file of ours, read where somebody may have put something else into its place."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def read(path: Path, most: int) -> bytes:
    """Give what is in a file of at most so many bytes; an OSError for anything else.

    A pipe would be waited for, a device be read without end, a link leads to another's file.
    """
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    with os.fdopen(opened, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("no file")  # not translated: for worker.log
        found = file.read(most + 1)
    if len(found) > most:
        raise OSError("too long")  # not translated: for worker.log
    return found
