"""Whether a model is the one that it was, wherever it is now."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from farense_worker.protocol import plain_file

_SNAPSHOT = re.compile(r"models--([^/]+)--([^/]+)/snapshots/([0-9a-f]+)/?\Z")
_WHOLE = 64 << 20  # bytes of a weights file up to which all of it is read
_LONGEST = 1 << 28  # bytes of a file of a tokenizer
_ENDS = 1 << 20  # bytes that are read at either end of a larger one
_PIECES, _PIECE = 1024, 1 << 12  # and so many between them, of so many bytes
# What turns a conversation into tokens; patterns of mlx_lm's, without the model's configuration.
_TOKENIZER = (
    "tokenizer*.json",
    "chat_template*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.tiktoken",
    "*.model",
)


def snapshot(path: str) -> tuple[str, str] | None:
    """Repository and commit that a folder of Hugging Face's cache is of, wherever the cache is."""
    found = _SNAPSHOT.search(path)
    return (f"{found[1]}/{found[2]}", found[3]) if found else None


def name(repo: str) -> str:
    """What a model is called on other machines, too: its repository, else its folder's own name."""
    if cached := snapshot(repo):
        return cached[0]
    return Path(repo).name if repo.startswith(("/", "~")) else repo


def fingerprint(folder: Path, like: str = "") -> str:
    """SHA-256, with a mark before it, that tells models apart without reading gigabytes.

    Over config.json and of each weights file its size and all of it, or, of a large one, its
    beginning, its end and a thousand places between them: a change to its layers is seen, while
    that of one number may not be.
    like: one to be compared with; for one of an earlier version it is made as they were.
    """
    config = plain_file.content(folder / "config.json")
    weights = sorted(folder.glob("model*.safetensors"))
    if like and ":" not in like:
        return _earlier(config, weights)
    sha = hashlib.sha256(config)
    for path in weights:
        _add(sha.update, path)
    return f"2:{sha.hexdigest()}"


def tokenizer(folder: Path) -> str:
    """SHA-256 of what turns conversations into tokens: the tokenizer and the chat template."""
    sha = hashlib.sha256()
    found = {path for each in _TOKENIZER for path in folder.glob(each)}
    for path in sorted(filter(Path.is_file, found)):
        sha.update(f"{path.name} {path.stat().st_size}\n".encode())
        sha.update(plain_file.content(path, _LONGEST))
    return sha.hexdigest()


def _add(add: Callable[[bytes], None], path: Path) -> None:
    with plain_file.reading(path) as file:
        size = path.stat().st_size
        add(f"{path.name} {size}\n".encode())
        if size <= _WHOLE:
            add(file.read())
            return
        add(_at(file, 0, _ENDS))
        for at in range(_ENDS, size - _ENDS, max(_ENDS, size // _PIECES)):
            add(_at(file, at, _PIECE))
        add(_at(file, size - _ENDS, _ENDS))


def _at(file: BinaryIO, place: int, length: int) -> bytes:
    return os.pread(file.fileno(), length, place)


def _earlier(config: bytes, weights: list[Path]) -> str:
    """Make one as it was before: of each file its size, its header and its last mebibyte."""
    sha = hashlib.sha256(config)
    for path in weights:
        with plain_file.reading(path) as file:
            size = path.stat().st_size
            sha.update(f"{path.name} {size}".encode())
            header = int.from_bytes(file.read(8), "little")
            sha.update(file.read(min(header, size)))
            file.seek(max(0, size - (1 << 20)))
            sha.update(file.read())
    return sha.hexdigest()
