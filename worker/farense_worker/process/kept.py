"""What follows from things that are known, kept under their hash for the next run.

    CACHE/KIND/KEY.json

It only ever saves time: what cannot be read is made anew, what cannot be written is not kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from farense_worker.process.cache_folder import cache_folder
from farense_worker.protocol import plain_file

MOST_ENTRIES = 200
_ENTRY = re.compile(r"[0-9a-f]{64}\.json")
_LONGEST = 4 << 20  # bytes of an entry

Found = TypeVar("Found", bound=msgspec.Struct)


@dataclass(frozen=True)
class Place(Generic[Found]):
    """Where something of this kind is kept."""

    path: Path
    kind: type[Found]

    def read(self) -> Found | None:
        """Give it; None where there is none, or it is damaged."""
        try:
            found = msgspec.json.decode(plain_file.read(self.path, _LONGEST), type=self.kind)
            os.utime(self.path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
            self._log(f"{self.path} is damaged: {error}")  # not translated: for worker.log
            return None
        self._log(f"from {self.path}")  # not translated: for worker.log
        return found

    def write(self, found: Found) -> None:
        """Keep it, and let go of those that were not used for longest."""
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle, beside = tempfile.mkstemp(prefix=".", dir=folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(msgspec.json.encode(found))
                os.replace(beside, self.path)
            except OSError:
                Path(beside).unlink()
                raise
            _prune(folder)
        except OSError as error:
            self._log(f"not kept: {error}")  # not translated: for worker.log

    def _log(self, what: str) -> None:
        print(f"{self.path.parent.name}: {what}", file=sys.stderr)


def place(name: str, kind: type[Found], decides: list[object]) -> Place[Found] | None:
    """Where something is kept that follows from `decides`; None where nothing is.

    name: of the folder. decides: told by `repr`.
    """
    folder = cache_folder(name)
    if folder is None:
        return None
    return Place(folder / f"{hashlib.sha256(repr(decides).encode()).hexdigest()}.json", kind)


def _prune(folder: Path) -> None:
    entries = []
    for path in folder.iterdir():
        if not _ENTRY.fullmatch(path.name):  # somebody else's
            continue
        with contextlib.suppress(OSError):  # another worker may remove it as well
            entries.append((path.stat().st_mtime, path))
    for _, path in sorted(entries, reverse=True)[MOST_ENTRIES:]:
        with contextlib.suppress(OSError):  # the same; or a folder, of whoever put it there
            path.unlink()
