"""Tokenised data sets kept for the next run, each under the hash of all it was made from.

    CACHE/tokens/KEY/meta.json  SPLIT.tokens.npy  SPLIT.bounds.npy  SPLIT.is_label.npy

It only ever saves time: what cannot be read is made anew, what cannot be written is not kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import msgspec
import numpy as np

from farense_worker.data.examples import Examples
from farense_worker.process.cache_folder import cache_folder
from farense_worker.protocol import plain_file
from farense_worker.protocol.messages.events import Notice

FORMAT = 6
MOST_BYTES = 2 << 30
MOST_ENTRIES = 20
# What is deleted has one of these names: in a folder that was given other things may lie.
_ENTRY = re.compile(r"[0-9a-f]{64}")
_HALF = re.compile(r"\.[0-9a-f]{16}\.")
_ARRAYS = ("tokens", "bounds", "is_label")
_TOKENIZER_FILES = (
    "*.json",
    "*.jinja",
    "additional_chat_templates/*.jinja",
    "*.txt",
    "*.model",
    "*.tiktoken",
    "*.py",
)
_LEFT_BEHIND = 24 * 3600.0  # seconds after which a half-written entry is one of a killed worker


class Tokenised(msgspec.Struct, frozen=True):
    """The splits, and what there was to say about them.

    stops: where answers end, if the model's configuration does not say it all; else empty.
    left_out: rows that are not trained on, each as `file:line: why`.
    """

    splits: dict[str, Examples]
    notices: tuple[Notice, ...]
    stops: tuple[int, ...] = ()
    left_out: tuple[str, ...] = ()


class _Split(msgspec.Struct):
    truncated: int
    digest: str


class _Meta(msgspec.Struct):
    splits: dict[str, _Split]
    notices: tuple[Notice, ...]
    stops: tuple[int, ...] = ()
    left_out: tuple[str, ...] = ()


def key(data: Iterable[Path], model: Path, settings: dict[str, object]) -> str | None:
    """Hash all that decides the tokens: data files, tokenizer, settings, versions.

    Gives None where a file cannot be read.
    """
    versions = {name: metadata.version(name) for name in ("mlx-lm", "transformers", "tokenizers")}
    sha = hashlib.sha256(repr((FORMAT, sorted(settings.items()), versions)).encode())
    tokenizer = {path for pattern in _TOKENIZER_FILES for path in model.glob(pattern)}
    try:
        for path in (*data, *sorted(tokenizer)):
            if not path.is_file():
                continue
            with plain_file.reading(path) as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            sha.update(f"{path.name} {content}\n".encode())
    except OSError:
        return None
    return sha.hexdigest()


def read(name: str) -> Tokenised | None:
    """Give an entry, its arrays mapped into memory; None where it is not there or not sound."""
    place = cache_folder("tokens")
    if place is None or not os.path.isdir(place / name):
        return None
    entry = place / name
    try:
        meta = msgspec.json.decode(plain_file.read(entry / "meta.json"), type=_Meta)
        splits = {split: _load(entry, split, about) for split, about in meta.splits.items()}
        os.utime(entry)
    except (OSError, ValueError, EOFError, RecursionError) as error:
        _log(f"the cached tokens in {entry} are damaged: {error}")  # not translated: for worker.log
        shutil.rmtree(entry, ignore_errors=True)
        return None
    _log(f"tokens from {entry}")  # not translated: for worker.log
    return Tokenised(splits, meta.notices, meta.stops, meta.left_out)


def write(name: str, made: Tokenised) -> None:
    """Keep an entry, and let go of the ones that were not used for longest."""
    place = cache_folder("tokens")
    if place is None:
        return
    try:
        place.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{name[:16]}.", dir=place))
        try:
            _save(beside, made)
            beside.rename(place / name)
        finally:  # another worker was faster, or there is no space
            shutil.rmtree(beside, ignore_errors=True)
        prune(place)
    except OSError as error:
        _log(f"the tokens are not cached: {error}")  # not translated: for worker.log


def prune(place: Path) -> None:
    """Remove entries beyond the limits, oldest use first; the newest one always stays."""
    entries = []
    for entry in place.iterdir():
        with contextlib.suppress(OSError):  # another worker may remove it as well
            used = entry.stat().st_mtime
            if _ENTRY.fullmatch(entry.name):
                entries.append((used, entry, sum(f.stat().st_size for f in entry.iterdir())))
            elif _HALF.match(entry.name) and time.time() - used > _LEFT_BEHIND:
                shutil.rmtree(entry, ignore_errors=True)
    total = 0
    for at, (_, entry, size) in enumerate(sorted(entries, reverse=True)):
        total += size
        if at and (at >= MOST_ENTRIES or total > MOST_BYTES):
            shutil.rmtree(entry, ignore_errors=True)


def _log(what: str) -> None:
    print(f"data: {what}", file=sys.stderr)


def _save(entry: Path, made: Tokenised) -> None:
    for split, examples in made.splits.items():
        for array in _ARRAYS:
            np.save(entry / f"{split}.{array}.npy", getattr(examples, array))
    about = {
        split: _Split(examples.truncated, examples.digest())
        for split, examples in made.splits.items()
    }
    (entry / "meta.json").write_bytes(
        msgspec.json.encode(_Meta(about, made.notices, made.stops, made.left_out))
    )


def _load(entry: Path, split: str, about: _Split) -> Examples:
    tokens, bounds, is_label = (
        np.load(entry / f"{split}.{array}.npy", mmap_mode="r", allow_pickle=False)
        for array in _ARRAYS
    )
    examples = Examples(tokens, bounds, is_label, about.truncated)
    if examples.digest() != about.digest:
        raise ValueError(f"{split} is not what was written")  # not translated: for worker.log
    return examples
