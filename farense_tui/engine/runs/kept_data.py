"""A small data set travels with its run: a copy of it in the run folder.

So a run goes on, and is measured, where the data has moved, has changed or never was. Like the
record, the copy is the user's own: nobody else may look into its folder.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from farense_worker.protocol import plain_file
from farense_worker.protocol.dataset import SPLITS

_ENDS = 2 << 20  # bytes at either end of a file; all of one of up to twice as many


def keep(data: Path, to: Path, most: float) -> bool:
    """Copy a data set of at most so many bytes; whether it was. Raises OSError (a full disk)."""
    files = _files(data)
    if not files or sum(file.stat().st_size for file in files) > most:
        return False
    to.mkdir(mode=0o700)
    for file in files:
        plain_file.copy(file, to / file.name)
    return True


def fingerprint(data: Path) -> str:
    """Give `identity`, empty where the data may not be read, too."""
    try:
        return identity(data)
    except OSError:
        return ""


def identity(data: Path) -> str:
    """SHA-256 that tells data sets apart: of what is trained and validated on.

    Over each file's size and its first and last 2 MiB, so that no gigabytes are read. Empty where
    there is none.
    """
    sha = hashlib.sha256()
    files = [file for file in _files(data) if file.stem != "test"]
    for path in files:
        with plain_file.reading(path) as file:
            size = os.fstat(file.fileno()).st_size
            sha.update(f"{path.name} {size}\n".encode())
            sha.update(file.read(_ENDS))
            file.seek(max(file.tell(), size - _ENDS))
            sha.update(file.read(_ENDS))
    return sha.hexdigest() if files else ""


def _files(data: Path) -> list[Path]:
    return [path for path in (data / f"{split}.jsonl" for split in SPLITS) if path.is_file()]
