"""A file or folder that was dropped on the terminal or pasted: terminals type its path."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LONGEST = 4096


def path_in(text: str) -> Path | None:
    """Give the path that a text is, if something is there: quoted, escaped, or a file:// URL."""
    text = text.strip()
    if not text or "\n" in text or len(text) > _LONGEST:
        return None
    for told in _readings(text):
        path = Path(os.path.expanduser(told))
        try:
            if path.is_absolute() and path.exists():
                return path
        except (OSError, ValueError):  # a name that cannot be one
            continue
    return None


def _readings(text: str) -> list[str]:
    """What a terminal may mean: the text itself, as a shell reads it, as a URL."""
    found = [text]
    if text.startswith("file://"):
        found.append(unquote(urlsplit(text).path))
    try:
        words = shlex.split(text)
    except ValueError:  # a quote that is not closed
        words = []
    return [*found, *(words if len(words) == 1 else [])]


def data_of(path: Path) -> str:
    """Give what stands for a data set: the folder, if one of its files was dropped."""
    named = path.is_file() and path.suffix == ".jsonl" and path.stem in ("train", "valid", "test")
    return str(path.parent if named else path)
