"""Checkpoints: all that it takes to go on exactly, whole or not there at all.

A checkpoint is written beside its place, brought to the disk, and renamed: it exists only when
its manifest does. What is read back is compared with the manifest's SHA-256.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import msgspec
from mlx.utils import tree_flatten, tree_unflatten

from farense_worker.protocol import checkpoint_files, plain_file
from farense_worker.protocol.checkpoint_files import (
    ADAPTER_CONFIG,
    ADAPTERS,
    DAMAGES,
    MANIFEST,
    OPTIMIZER,
    STATE,
    CheckpointFolder,
    sha256,
)
from farense_worker.protocol.errors import in_words, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.plan import disk
from farense_worker.protocol.plan.adapter import Trained
from farense_worker.protocol.run_folder import RunFolder, free_space, sync

_FORMAT = 1


class TrainingState(msgspec.Struct, kw_only=True):
    """The counters of a run, as they stand after a step.

    random: MLX's random key, two 32-bit numbers. validated_step: the last step whose validation
    is done, -1 before the first. since_best: validations since the best one. rate_factor: what
    the learning rate is multiplied with after rollbacks. data, valid, model, tokenizer: digests of
    the tokenised training and validation sets, of the model and of its tokenizer. recipe: settings,
    see loop/start/resume_check.py. finer: tokens that go through the model at once by the plan, the
    limit of memory in bytes, and the tokens that it was found to allow.
    """

    step: int = 0
    epoch: int = 0
    position: int = 0
    random: tuple[int, int] = (0, 0)
    best_loss: float | None = None
    best_step: int = 0
    validated_step: int = -1
    since_best: int = 0
    rollbacks: int = 0
    rate_factor: float = 1.0
    data: str = ""
    valid: str = ""
    model: str = ""
    tokenizer: str = ""
    recipe: dict[str, Any] = {}
    finer: tuple[int, int, int] | None = None
    format: int = _FORMAT


@dataclass(frozen=True)
class Loaded:
    """A sound checkpoint, in memory. Arrays are evaluated: nothing points into the files."""

    path: Path
    state: TrainingState
    adapters: dict[str, mx.array]
    optimizer: dict[str, mx.array]


def random_key() -> tuple[int, int]:
    """Read the state of MLX's random numbers (of this thread)."""
    state: Any = mx.random.state
    key = state[0].tolist()
    return int(key[0]), int(key[1])


def set_random_key(key: tuple[int, int]) -> None:
    """Set the state of MLX's random numbers: seed(n) makes the key (n >> 32, n & 0xFFFFFFFF)."""
    mx.random.seed((key[0] << 32) | key[1])


def save(
    folder: RunFolder,
    state: TrainingState,
    adapters: dict[str, mx.array],
    optimizer: dict[str, Any],
    adapter_config: dict[str, Any],
) -> tuple[Path, int]:
    """Write a checkpoint; its path and its bytes. OSError leaves nothing half-done behind."""
    place = folder.path / checkpoint_files.name(state.epoch, state.step)
    beside, old = place.with_name(f".{place.name}.tmp"), place.with_name(f".{place.name}.old")
    try:
        for left in (beside, old):
            plain_file.take_away(left)
        beside.mkdir()
        _save_arrays(beside / ADAPTERS, adapters)
        _save_arrays(beside / OPTIMIZER, dict(tree_flatten(optimizer)))
        (beside / ADAPTER_CONFIG).write_text(json.dumps(adapter_config, indent=4))
        (beside / STATE).write_bytes(msgspec.json.encode(state))
        files: dict[str, dict[str, Any]] = {
            path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)}
            for path in sorted(beside.iterdir())
            if not path.name.startswith(".")  # macOS's own, beside each file on FAT
        }
        (beside / MANIFEST).write_text(json.dumps({"format": _FORMAT, "files": files}, indent=1))
        for name in (*files, MANIFEST):
            sync(beside / name)
        sync(beside)
        if os.path.lexists(place):  # the same step again, after a resume from before it
            place.rename(old)
        beside.rename(place)
        sync(folder.path)
    except OSError:
        if old.exists() and not place.exists():
            old.rename(place)
        plain_file.take_away(beside)
        raise
    plain_file.take_away(old)
    folder.resume_from(place.name, state.step)
    return place, sum(entry["bytes"] for entry in files.values())


def publish(folder: RunFolder, checkpoint: Path) -> None:
    """Make a checkpoint's adapter the run's adapter, in `adapters/`, as mlx_lm reads it."""
    if folder.adapters.is_symlink() or not folder.adapters.is_dir():  # nothing goes through a link
        folder.adapters.unlink(missing_ok=True)
        folder.adapters.mkdir(exist_ok=True)
        sync(folder.path)  # which has its name
    for name in (ADAPTER_CONFIG, ADAPTERS):
        beside = folder.adapters / f".{name}.tmp"
        beside.unlink(missing_ok=True)
        plain_file.copy(checkpoint / name, beside)
        sync(beside)
        beside.replace(folder.adapters / name)
    sync(folder.adapters)


def catch_up(folder: RunFolder, state: TrainingState, newest: Path | None = None) -> bool:
    """Publish the best adapter if a kill came between its checkpoint and `publish`.

    Nothing else would: on a resume that validation is done, and is not found to be the best again.
    newest: a sound checkpoint, whose adapter is published where neither the best checkpoint nor the
    run's adapter is there any more; whether that was so.
    """
    step = state.step if state.best_loss is None else state.best_step
    for best in folder.checkpoints():
        if best.step == step and _is_sound(best.path):
            there = folder.adapters / ADAPTERS
            if not there.is_file() or sha256(there) != sha256(best.path / ADAPTERS):
                publish(folder, best.path)
    if newest is None or state.step == 0 or (folder.adapters / ADAPTERS).is_file():
        return False
    publish(folder, newest)
    return True


def newest(folder: RunFolder) -> tuple[Loaded | None, list[str]]:
    """Load the newest checkpoint that is sound; what was wrong with those passed over.

    Raises OSError where none is left and one could not be read, which may be sound: the run would
    begin anew, and write over it.
    """
    damaged: list[str] = []
    unread: OSError | None = None
    for checkpoint in reversed(folder.checkpoints()):
        try:
            return _load(checkpoint), damaged
        except DAMAGES as error:
            damaged.append(f"{checkpoint.path.name}: {in_words(error)}")
            if isinstance(error, OSError) and plain_file.may_be_sound(error):
                unread = unread or error
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):  # none of its own
                    break
    if unread:
        raise unread
    return None, damaged


def check_space(folder: RunFolder, trained: Trained, keep: int) -> None:
    """Refuse a run whose checkpoints do not fit on the disk.

    Those that a resumed run has already are part of what it will have at the worst moment.
    """
    places = [each.path for each in folder.checkpoints()] + [folder.adapters]
    there = sum(path.stat().st_size for place in places for path in place.glob("*"))
    needed = disk.checkpoints(trained, keep) - there
    free = free_space(folder.path)
    if free < needed:
        raise refused(
            _("no space on the disk"),
            ngettext(
                "{folder}: {free} MiB free, {n} checkpoint needs {needed} MiB",
                "{folder}: {free} MiB free, {n} checkpoints need {needed} MiB",
                keep,
            ).format(folder=folder.path, free=free >> 20, n=keep, needed=needed >> 20),
            _("Delete old runs, lower checkpoint.keep, or choose another --runs-dir."),
            kind="disk_full",
        )


def clean_up(folder: RunFolder) -> None:
    """Remove what a killed worker left half-written or half-deleted.

    What lacks nothing but its rename is renamed: it may have been about to replace a checkpoint
    of the same step, which was moved aside for it.
    """
    for left in (*folder.path.glob(".checkpoint_*.tmp"), *folder.path.glob(".checkpoint_*.old")):
        place = left.with_name(left.stem.removeprefix("."))
        with contextlib.suppress(OSError):  # it may be sound: whoever writes that step removes it
            if not os.path.lexists(place) and _is_sound(left):
                left.rename(place)
            else:
                plain_file.take_away(left)
    for left in folder.path.glob(checkpoint_files.FOLDERS):
        try:
            os.lstat(left / MANIFEST)
        except (FileNotFoundError, NotADirectoryError):
            shutil.rmtree(left, ignore_errors=True)
        except OSError:  # one that may be sound
            continue
    for left in (*folder.path.glob(".*.tmp"), *folder.adapters.glob(".*.tmp")):
        with contextlib.suppress(OSError):  # a folder of somebody's
            left.unlink()


def restore(model: Any, optimizer: Any, loaded: Loaded) -> None:
    """Put a checkpoint back: weights, optimizer and random numbers.

    Raises FarenseError (refused) if the model has other trainable weights now.
    """
    now = {name: value.shape for name, value in tree_flatten(model.trainable_parameters())}
    then = {name: value.shape for name, value in loaded.adapters.items()}
    if now != then:
        different = sorted(
            name for name in now.keys() | then.keys() if now.get(name) != then.get(name)
        )
        raise refused(
            _("the checkpoint is of another model or adapter"),
            ngettext(
                "{n} weight differs, the first is {first}",
                "{n} weights differ, the first is {first}",
                len(different),
            ).format(n=len(different), first=different[0]),
            _("Resume with the [model] and [lora] that the run was started with."),
            kind="checkpoint",
        )
    kinds = dict(tree_flatten(model.trainable_parameters()))
    weights = [(name, value.astype(kinds[name].dtype)) for name, value in loaded.adapters.items()]
    model.load_weights(weights, strict=False)
    optimizer.state = tree_unflatten(list(loaded.optimizer.items()))
    set_random_key(loaded.state.random)


def _load(checkpoint: CheckpointFolder) -> Loaded:
    path = checkpoint.path
    checkpoint_files.compare(path)
    state = msgspec.json.decode(plain_file.read(path / STATE, follow=True), type=TrainingState)
    return Loaded(path, state, _load_arrays(path / ADAPTERS), _load_arrays(path / OPTIMIZER))


def _is_sound(path: Path) -> bool:
    """Whether nothing is wrong with it; an OSError where it cannot be read just now."""
    try:
        checkpoint_files.compare(path)
    except DAMAGES as error:
        if plain_file.may_be_sound(error):
            raise
        return False
    return True


def _load_arrays(path: Path) -> dict[str, mx.array]:
    arrays = mx.load(str(path))
    assert isinstance(arrays, dict)
    mx.eval(arrays)
    return arrays


def _save_arrays(path: Path, arrays: dict[str, mx.array]) -> None:
    """Write arrays by their names' order, so that the same ones are the same bytes.

    Through a file of Python's: MLX's own does not say why a write failed, and only a lack of
    space, of whatever kind, is waited for.
    """
    try:
        with path.open("wb") as file:
            mx.save_safetensors(file, dict(sorted(arrays.items())))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
