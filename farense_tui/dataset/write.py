"""The new folder: the rows of each split, and a record of where each of them is from."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from farense_worker.protocol.dataset import SPLITS
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.run_folder import disk_error
from numpy.typing import NDArray

from farense_tui.dataset.pool import KINDS, Pool


def absolute(path: Path) -> Path:
    """Give a path that holds wherever one stands, links as they are."""
    return Path(os.path.abspath(os.path.expanduser(path)))


def check_free(to: Path) -> None:
    """Raise FarenseError (refused) if something stands there that would be overwritten."""
    if to.is_symlink() or (to.exists() and not (to.is_dir() and not any(to.iterdir()))):
        raise refused(
            _("there is a {folder} already").format(folder=to),
            hint=_("--to names a folder that is not there yet; nothing is overwritten."),
            kind="exists",
        )


@contextlib.contextmanager
def new_folder(to: Path) -> Iterator[Path]:
    """Give a folder beside `to` to write into, which becomes it at the end, or is gone.

    An OSError in the block is one of writing there, and goes on as a FarenseError (refused).
    """
    to = absolute(to)
    with writing(to), _made_beside(to) as made:
        yield made


@contextlib.contextmanager
def writing(to: Path) -> Iterator[None]:
    """Say why the data set cannot be written, where an OSError says so: FarenseError (refused)."""
    try:
        yield
    except OSError as error:
        named = OSError(error.errno, error.strerror or str(error), str(to))
        raise disk_error(named, to, "--to") from error


@contextlib.contextmanager
def _made_beside(to: Path) -> Iterator[Path]:
    check_free(to)
    to.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{to.name[:100]}.", suffix=".partial", dir=to.parent))
    try:
        yield made
        made.chmod(0o777 & ~_umask())
        check_free(to)
        os.replace(made, to)
    except BaseException:  # Ctrl-C too leaves nothing half written; it goes on its way below
        shutil.rmtree(made, ignore_errors=True)
        raise


def splits(
    pool: Pool, kept: NDArray[np.bool_], split: NDArray[np.uint8], folder: Path
) -> dict[str, Any]:
    """Write the rows of each split, in their order; give what the record says of each file.

    Where some rows are chats, pairs of question and answer become chats: a file has one kind.
    """
    chat = pool.numbers("kind") == KINDS.index("chat")
    mixed = bool(chat[kept].any()) and not bool(chat[kept].all())
    told: dict[str, Any] = {}
    for number, name in enumerate(SPLITS):
        rows = np.flatnonzero(kept & (split == number))
        if not len(rows):
            continue
        digest = hashlib.sha256()
        with (folder / f"{name}.jsonl").open("wb") as file:
            for at in rows.tolist():
                raw = pool.raw(at)
                if mixed and not chat[at]:
                    raw = _as_chat(raw)
                file.write(line := raw + b"\n")
                digest.update(line)
        told[name] = {
            "rows": len(rows),
            "sha256": digest.hexdigest(),
            "from": _ranges(pool, rows),
        }
    return told


def record(folder: Path, name: str, values: dict[str, Any]) -> None:
    """Write the record as JSON that can be read and compared."""
    raw = msgspec.json.format(msgspec.json.encode(values), indent=1)
    (folder / name).write_bytes(raw + b"\n")


def _as_chat(raw: bytes) -> bytes:
    values = msgspec.json.decode(raw)
    messages = [
        {"role": "user", "content": values["prompt"]},
        {"role": "assistant", "content": values["completion"]},
    ]
    return msgspec.json.encode({"messages": messages})


def _ranges(pool: Pool, rows: NDArray[np.int64]) -> dict[str, str]:
    """Give the numbers of the rows by source: {"0": "1-7,9"}."""
    source, number = pool.numbers("source")[rows], pool.numbers("number")[rows].astype(np.int64)
    told = {}
    for each in np.unique(source).tolist():
        own = number[source == each]
        breaks = np.flatnonzero(np.diff(own) != 1) + 1
        begins, ends = own[np.r_[0, breaks]], own[np.r_[breaks - 1, len(own) - 1]]
        told[str(each)] = ",".join(
            str(first) if first == last else f"{first}-{last}"
            for first, last in zip(begins.tolist(), ends.tolist(), strict=True)
        )
    return told


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
