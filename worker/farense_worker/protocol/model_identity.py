"""Whether a model is the one that it was, wherever it is now."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

_SNAPSHOT = re.compile(r"models--([^/]+)--([^/]+)/snapshots/([0-9a-f]+)/?\Z")


def snapshot(path: str) -> tuple[str, str] | None:
    """Repository and commit that a folder of Hugging Face's cache is of, wherever the cache is."""
    found = _SNAPSHOT.search(path)
    return (f"{found[1]}/{found[2]}", found[3]) if found else None


def name(repo: str) -> str:
    """What a model is called on other machines, too: a folder of the cache by its repository."""
    cached = snapshot(repo)
    return cached[0] if cached else repo


def fingerprint(folder: Path) -> str:
    """SHA-256 that tells models apart without reading gigabytes.

    Over config.json and, of each weights file, its size, its header (names, types, shapes) and
    its last mebibyte.
    """
    sha = hashlib.sha256((folder / "config.json").read_bytes())
    for path in sorted(folder.glob("model*.safetensors")):
        with path.open("rb") as file:
            size = path.stat().st_size
            sha.update(f"{path.name} {size}".encode())
            header = int.from_bytes(file.read(8), "little")
            sha.update(file.read(min(header, size)))
            file.seek(max(0, size - (1 << 20)))
            sha.update(file.read())
    return sha.hexdigest()
