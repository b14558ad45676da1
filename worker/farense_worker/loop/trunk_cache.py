"""The frozen trunk: what the layers below the trained ones compute, computed once.

When the top K of N layers are trained, the activations that enter layer N - K are the same in
every epoch. They are computed once for every example, kept in a memory-mapped file of the run,

    RUN/trunk/KEY.SPLIT.npy     (tokens, hidden), see activations.py

and the layers that gave them are let go. If they are too many for the memory, the pass goes in
groups of layers over all examples, so never more than one group has to be there: the memory that
a run needs follows from K, not from N.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten

from farense_worker.data import batching
from farense_worker.data.batching import MicroBatch
from farense_worker.data.examples import Examples
from farense_worker.data.shared_prefix import Shared
from farense_worker.loop.activations import Stored, Trunk, size, stored_as
from farense_worker.loop.checks import Checks
from farense_worker.model import prefix_cache
from farense_worker.model.model import check_finite
from farense_worker.model.split_forward import Anatomy, splits
from farense_worker.model.trainable import beside_the_layers
from farense_worker.process.output import Output
from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import in_words, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.events import Notice, Progress
from farense_worker.protocol.plan import trunk
from farense_worker.protocol.plan.adapter import named
from farense_worker.protocol.plan.cutting import cheapest
from farense_worker.protocol.plan.prefix import Piece
from farense_worker.protocol.run_folder import free_space, sync
from farense_worker.protocol.settings.profile import Config

_PROGRESS_EVERY = 0.5
_SORTED_AT_ONCE = 4096  # examples whose cut into batches is planned together


@dataclass(frozen=True)
class Plan:
    """What is to be stored, and how large that is."""

    start: int
    hidden: int
    dtype: mx.Dtype
    examples: dict[str, Examples]
    shared: dict[str, Shared]  # what rows begin with alike, computed and stored once
    folder: Path
    key: str

    @property
    def bytes(self) -> int:
        """Size of all files."""
        tokens = sum(size(each, self.shared.get(name)) for name, each in self.examples.items())
        return trunk.stored_bytes(tokens, self.hidden, self.dtype.size)

    def path(self, split: str) -> Path:
        return self.folder / f"{self.key}.{split}.npy"


def plan(
    config: Config,
    anatomy: Anatomy,
    examples: dict[str, Examples],
    shared: dict[str, Shared],
    model: str,
    folder: Path,
) -> Plan:
    """Look at what a trunk would give. model: its fingerprint. Nothing is computed.

    shared: by split, what rows begin with alike; of kinds that are not known it is computed for
    each row.
    """
    shared = shared if anatomy.model_type in trunk.KNOWN else {}
    start = trunk.frozen(config, len(anatomy.layers))
    entering = anatomy.trunk(mx.zeros((1, 8), mx.int32), None, 0, start) if start else mx.zeros(1)
    parts = [model, str(start), str(entering.dtype), metadata.version("mlx")]
    parts += [f"{name} {each.digest()}" for name, each in sorted(examples.items())]
    parts += [f"{name} {each.lengths}" for name, each in sorted(shared.items())]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
    return Plan(start, entering.shape[-1], entering.dtype, examples, shared, folder, key)


def prepare(
    config: Config,
    anatomy: Anatomy,
    made: Plan,
    room: int,
    budget: int,
    checks: Checks,
    output: Output,
) -> Trunk | None:
    """Give the stored activations, computed now if they are not there, and let the trunk go.

    room: bytes that weights may take meanwhile. budget: tokens that go through at once. Gives
    None, with a notice, for a class that does not split; raises FarenseError (refused) if the
    profile insists on it.
    """
    there = _stored(made)
    free = free_space(made.folder)
    stored, ranks = 0 if there else made.bytes, config.run.ranks
    why = trunk.objection(config, made.start, stored, free, ranks=ranks)
    beside = beside_the_layers(anatomy.model)
    beneath = [name for name in beside if not named(name, "lm_head")]
    if made.start and beneath:
        why = _("{modules} below them is trained").format(modules=", ".join(beneath))
    if not why and not there:
        why = _compute(config, anatomy, made, room, budget, checks, output)
    if why:
        if config.train.trunk_cache == "on":
            raise refused(_("the frozen layers cannot be cached"), why, _HINT, kind="trunk_cache")
        if config.train.trunk_cache == "auto" and made.start and config.train.epochs > 1:
            message = _("the frozen layers are computed in every epoch: {why}").format(why=why)
            output.emit(Notice(level="info", code="trunk_cache", message=message))
        return None
    anatomy.release(0, made.start)
    mx.clear_cache()
    return Trunk(made.start, _open(made, made.path, "r"))


_HINT = _("Set train.trunk_cache to auto, which does without where it must.")


def remove(folder: Path) -> None:
    """Remove what was stored: the run has come to its end."""
    plain_file.take_away(folder)


def _stored(made: Plan) -> bool:
    if not all(os.path.isfile(made.path(split)) for split in made.examples):
        return False
    try:
        return bool(_open(made, made.path, "r"))
    except (OSError, ValueError):  # cut off, or something else
        return False


def _compute(
    config: Config,
    anatomy: Anatomy,
    made: Plan,
    room: int,
    budget: int,
    checks: Checks,
    output: Output,
) -> str:
    """Go over all examples, group of layers by group, and store what comes out; or say why not."""
    anatomy.model.eval()
    groups = list(trunk.groups([nbytes(layer) for layer in anatomy.layers[: made.start]], room))
    if len(groups) == 1:
        tokens = next(iter(made.examples.values())).example(0)
        some = [int(token) for token in tokens] * 2
        if not checks.hold("split", [made.start], lambda: splits(anatomy, some, made.start)):
            return _("this kind of model does not split into layers")
    elif anatomy.model_type not in trunk.KNOWN:
        return _(
            "the model does not fit into memory as a whole, and {kind} is not among the kinds "
            "that are known to split"
        ).format(kind=anatomy.model_type)
    output.enter("precomputing")
    try:
        stored = _room(made)
    except OSError as error:
        remove(made.folder)
        return in_words(error)
    progress = _Progress(output, len(groups) * sum(len(e) for e in made.examples.values()))
    for start, stop in groups:
        for layer in anatomy.layers[start:stop]:
            check_finite(layer, config.model)
        for each in stored.values():
            for rows in _through(anatomy, each, start, stop, budget):
                progress.add(rows)
        anatomy.release(start, stop)
        mx.clear_cache()
    for split, each in stored.items():
        each.values.flush()
        part = made.path(split).with_suffix(".part")
        sync(part)
        part.rename(made.path(split))
    return ""


def _room(made: Plan) -> dict[str, Stored]:
    """Make the files, with all of their space: a mapped one on a full disk would end the process.

    Raises OSError where the disk does not take them.
    """
    remove(made.folder)  # what was stored for other data or layers is of no use any more
    made.folder.mkdir(parents=True)
    stored = _open(made, lambda split: made.path(split).with_suffix(".part"), "w+")
    if allocate := getattr(os, "posix_fallocate", None):  # macOS has none
        for split in stored:
            with made.path(split).with_suffix(".part").open("r+b") as file:
                allocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
    return stored


def _through(anatomy: Anatomy, stored: Stored, start: int, stop: int, budget: int) -> Iterator[int]:
    """Compute layers start to stop - 1, and store what comes out; gives how many rows went through.

    What rows begin with alike goes first, once for all of them.
    """
    for group in range(-1, len(stored.shared) if stored.shared else 0):
        before, length = None, 0
        for batch in _batches(stored, group, budget):
            rows = batch.rows
            if batch.prefix and before is None:
                before, length = prefix_cache.empty(anatomy.model), batch.behind
                entering = stored.read(rows[:1], length) if start else None
                tokens = mx.array(batch.prefix.tokens)
                stored.write(rows[:1], anatomy.trunk(tokens, entering, start, stop, before))
            entering = stored.read(rows, batch.inputs.shape[1], length) if start else None
            caches = prefix_cache.handed_on(before, length, len(rows)) if before else None
            out = anatomy.trunk(mx.array(batch.inputs), entering, start, stop, caches)
            stored.write(rows, out, length)
            yield len(rows)


def nbytes(module: nn.Module) -> int:
    """Bytes of a module's weights, loaded or not."""
    return sum(value.nbytes for _, value in tree_flatten(module.parameters()))


def _batches(stored: Stored, group: int, budget: int) -> Iterator[MicroBatch]:
    """Cut the rows of a group; -1: those that begin like no other."""
    examples, shared = stored.examples, stored.shared
    rows = shared.rows(group) if shared else np.arange(len(examples))
    prefix = shared.lengths[group] if shared and group >= 0 else 0
    order = rows[np.argsort(examples.lengths[rows], kind="stable")]
    for at in range(0, len(order), _SORTED_AT_ONCE):
        some = [int(row) for row in order[at : at + _SORTED_AT_ONCE]]
        lengths = [int(examples.lengths[row]) for row in some]
        for piece in cheapest(lengths, budget, prefix)[1]:
            yield batching.collate(examples, Piece(tuple(some[i] for i in piece), prefix))


def _open(made: Plan, place: Any, mode: Any) -> dict[str, Stored]:
    found = {}
    for split, examples in made.examples.items():
        shared = made.shared.get(split)
        shape = (size(examples, shared), made.hidden)
        kind = stored_as(made.dtype)[1]
        values = np.lib.format.open_memmap(place(split), mode, kind, None if mode == "r" else shape)
        if values.shape != shape:
            raise ValueError(
                _("{path} has {found} values, not {wanted}").format(
                    path=place(split), found=values.shape, wanted=shape
                )
            )
        found[split] = Stored(examples, values, made.dtype, shared)
    return found


class _Progress:
    """Tells, twice a second, how far the pass is."""

    def __init__(self, output: Output, total: int) -> None:
        self._output, self._total = output, total
        self._done, self._told = 0, time.monotonic()

    def add(self, examples: int) -> None:
        self._done += examples
        if time.monotonic() - self._told > _PROGRESS_EVERY:
            self._told = time.monotonic()
            self._output.emit(Progress(done=self._done, total=self._total, unit="examples"))
