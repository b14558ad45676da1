"""Folders that are there, or may be, and cannot be looked at: as of a share that is gone."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest


def replaced(folder: Path) -> None:
    """Have every look at a folder fail: it leads to a name that is too long for any disk."""
    shutil.rmtree(folder)
    folder.symlink_to("x" * 300)


def failing(
    patch: pytest.MonkeyPatch, folder: Path, calls: Sequence[str] = ("stat", "listdir", "scandir")
) -> None:
    """Have this process find an error of the disk wherever it looks at this folder itself."""
    for name in calls:
        patch.setattr(os, name, _failing(getattr(os, name), folder))


def _failing(call: Any, folder: Path) -> Any:
    def looks(path: Any = ".", *args: Any, **more: Any) -> Any:
        if isinstance(path, str | os.PathLike) and Path(path) == folder:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return call(path, *args, **more)

    return looks
