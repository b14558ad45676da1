"""Checkpoints on the disk: what they are called, what is in them, how they go."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from farense_worker.protocol import plain_file
from farense_worker.protocol.language import gettext as _

ADAPTERS = "adapters.safetensors"  # mlx_lm's names, both
ADAPTER_CONFIG = "adapter_config.json"
OPTIMIZER = "optimizer.safetensors"
STATE = "state.json"
MANIFEST = "manifest.json"  # written last: without it a folder is no checkpoint
FOLDERS = "checkpoint_epoch*_step*"
# What reading a damaged one raises: msgspec's errors are ValueErrors, a RecursionError is a
# RuntimeError, as MLX's are.
DAMAGES = (OSError, ValueError, LookupError, TypeError, RuntimeError)

_FOLDER = re.compile(r"checkpoint_epoch(\d{1,18})_step(\d{1,18})\Z")


@dataclass(frozen=True)
class CheckpointFolder:
    """A checkpoint that is in its place. Whether it is sound, the worker finds out."""

    path: Path
    epoch: int
    step: int

    def remove(self) -> None:
        """Delete it; the manifest first, so that half of it is no checkpoint any more.

        Of a link to a checkpoint that is somewhere else, the link is removed.
        """
        if self.path.is_symlink():
            self.path.unlink()
            return
        try:
            (self.path / MANIFEST).unlink()
            shutil.rmtree(self.path)
        except OSError as error:  # which names a file as it is called in its folder
            raise OSError(error.errno, error.strerror, str(self.path)) from error


def name(epoch: int, step: int) -> str:
    """Name the folder of the checkpoint after a step."""
    return f"checkpoint_epoch{epoch}_step{step}"


def found(run: Path) -> list[CheckpointFolder]:
    """List the checkpoints of a run whose manifest is in its place, oldest first.

    One that cannot be looked at just now, as another user's, is among them: whoever reads it is
    told, and nobody takes the run for one without it. Of a run that cannot be listed just now it is
    an OSError.
    """
    there = []
    for each in plain_file.listed(run):
        match = _FOLDER.match(each)
        if match and plain_file.may_be_there(run / each / MANIFEST):
            there.append(CheckpointFolder(run / each, int(match[1]), int(match[2])))
    return sorted(there, key=lambda checkpoint: checkpoint.step)


def is_there(run: Path, named: str, step: int) -> bool:
    """Whether `found` would list a checkpoint of this name, and it is of this step."""
    match = _FOLDER.match(named)
    same = match is not None and int(match[2]) == step
    return same and plain_file.may_be_there(run / named / MANIFEST)


def compare(path: Path) -> None:
    """Compare every file of a checkpoint with its manifest; one of DAMAGES if that fails."""
    files = json.loads(plain_file.read(path / MANIFEST, follow=True))["files"]
    for name in (ADAPTERS, ADAPTER_CONFIG, OPTIMIZER, STATE):
        if (path / name).stat().st_size != files[name]["bytes"]:
            said = _("{file} has another size than its manifest says")
            raise ValueError(said.format(file=name))
        if sha256(path / name) != files[name]["sha256"]:
            said = _("{file} has another SHA-256 than its manifest says")
            raise ValueError(said.format(file=name))


def sha256(path: Path) -> str:
    """Give a file's SHA-256, in hexadecimal."""
    with plain_file.reading(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_adapter(folder: Path) -> None:
    """Raise an OSError unless an adapter's two files are there, and files: they can be read."""
    for name in (ADAPTERS, ADAPTER_CONFIG):
        plain_file.reading(folder / name).close()


def prune(run: Path, keep: int, best_step: int, saved: int | None = None) -> None:
    """Delete all checkpoints of a run but the newest `keep` and the best.

    saved: the step that was just saved. Of later ones, which a resume has passed over as damaged,
    none counts: the sound ones would go for them.

    Raises the first OSError, after all that can be deleted have been; that one is not there any
    more only where nothing else has gone wrong.
    """
    failed: OSError | None = None
    counted = [each for each in found(run) if saved is None or each.step <= saved]
    for checkpoint in counted[:-keep]:
        if checkpoint.step != best_step:
            try:
                checkpoint.remove()
            except OSError as error:
                if failed is None or isinstance(failed, FileNotFoundError):
                    failed = error
    if failed:
        raise failed
