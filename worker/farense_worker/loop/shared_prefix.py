"""What rows begin with alike, computed once: whether this run does so, checked and told.

The rows are computed both ways at the start, a few tokens of two of them, loss and gradient; where
they differ all is computed the plain way. How it goes: model/prefix_cache.py; when it pays:
protocol/plan/prefix.py.
"""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten

from farense_worker.data import batching, shared_prefix
from farense_worker.data.examples import Examples
from farense_worker.data.shared_prefix import AT_ONCE, Shared
from farense_worker.loop.activations import Stored, Trunk
from farense_worker.model import loss, prefix_cache
from farense_worker.model.loss import LabelLoss, Prefix
from farense_worker.model.split_forward import UNLIKE
from farense_worker.process.output import Output
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.events import Notice
from farense_worker.protocol.plan import prefix, steps
from farense_worker.protocol.settings.profile import Config

_STEPS = 100  # that are looked at to say what is saved
_WORTH = 0.005  # share of the tokens that has to be saved
_TOKENS = 64  # of a prefix that both ways are computed of, where no window is in the way
_AFTER = 8  # tokens of each of the two rows
# What the ways may be apart in, by rounding: relative, of numbers of 32 and of 16 bits.
_APART = {4: 1e-3, 2: 5e-2}


def find(config: Config, examples: dict[str, Examples]) -> dict[str, Shared]:
    """Find, by split, what rows begin with alike; a split that shares nothing is left out."""
    if config.train.shared_prefix == "off":
        return {}
    batch = {"train": max(1, config.effective_batch // config.run.ranks), "valid": AT_ONCE}
    found = {name: shared_prefix.find(each, batch[name]) for name, each in examples.items()}
    return {name: each for name, each in found.items() if len(each)}


def prepare(
    config: Config,
    label_loss: LabelLoss,
    examples: dict[str, Examples],
    found: dict[str, Shared],
    trunk: Trunk | None,
    budget: int,
    output: Output,
) -> dict[str, Shared]:
    """Give, of what was found, what is computed once by the layers above the trunk.

    Raises FarenseError (refused) where the profile insists on what the model does not do.
    """
    if not found:
        return {}
    name, shared = next(iter(found.items()))
    stored = trunk.stored[name] if trunk else None
    if why := _unlike(config, label_loss, examples[name], shared, stored):
        if config.train.shared_prefix == "on":
            hint = _("Set train.shared_prefix to auto, which does without where it must.")
            title = _("what the rows begin with alike cannot be computed once")
            raise refused(title, why, hint, kind="shared_prefix")
        _tell(output, _("what rows begin with alike is computed for each: {why}").format(why=why))
        return {}
    if "train" not in found:
        return found
    kept = {name: each for name, each in found.items() if name != "train"}
    if why := prefix.objection(config):
        _tell(output, _("what rows begin with alike is trained for each: {why}").format(why=why))
        return kept
    saved = _saved(config, examples["train"], found["train"], budget)
    if saved < _WORTH:
        return kept
    _tell(output, _saving(found["train"], len(examples["train"]), saved))
    return found


def _tell(output: Output, message: str) -> None:
    output.emit(Notice(level="info", code="shared_prefix", message=message))


def _saved(config: Config, examples: Examples, shared: Shared, budget: int) -> float:
    """Share of the tokens that need not go through the model."""
    batch, before, after = config.effective_batch, 0, 0
    for index in range(min(_STEPS, steps.per_epoch(len(examples), batch))):
        rows = steps.draw(steps.Position(0, index), len(examples), batch, config.train.seed)
        before += prefix.tokens(examples.lengths, batching.cut(examples, rows, budget))
        after += prefix.tokens(examples.lengths, batching.cut(examples, rows, budget, shared))
    return 1 - after / before


def _saving(shared: Shared, total: int, saved: float) -> str:
    """Say what rows have in common, and how much of the work that saves."""
    least, most = min(shared.lengths), max(shared.lengths)
    said = _(
        "{rows} of {total} rows begin with the same {tokens} tokens, which are computed once for "
        "those of a step: {share:.0%} less goes through the model"
    )
    if len(shared) > 1:
        said = _(
            "{rows} of {total} rows begin alike, in {groups} groups with {tokens} tokens, which "
            "are computed once for those of a step: {share:.0%} less goes through the model"
        )
    return said.format(
        rows=int((shared.of_row != prefix.NONE).sum()),
        total=total,
        groups=len(shared),
        tokens=f"{least}" if least == most else f"{least}-{most}",
        share=saved,
    )


def _unlike(
    config: Config,
    label_loss: LabelLoss,
    examples: Examples,
    shared: Shared,
    stored: Stored | None,
) -> str:
    """Compute two rows both ways, and say so if the model does not give the same; empty if so."""
    model, anatomy = label_loss.model, label_loss.anatomy
    group = int(np.argmax(shared.lengths))
    rows, length = shared.rows(group), shared.lengths[group]
    rows = rows[np.argsort(examples.lengths[rows], kind="stable")[-2:]]
    # All that is trained would be there twice, and what drops out is another thing each time.
    by_gradient = config.train.fine_tune_type != "full" and not config.lora.dropout
    try:
        if anatomy is None:
            raise TypeError
        if length + _AFTER <= prefix_cache.window(model):
            length = min(length, _TOKENS)
        width = min(length + _AFTER, int(examples.lengths[rows].min()) - 1)
        both = _ways(examples, (int(rows[0]), int(rows[1])), length, width, stored)
        # some classes compute in a way that has a gradient only while they train
        model.train(by_gradient)
        way = nn.value_and_grad(model, label_loss) if by_gradient else label_loss
        plain, split = ([leaf for _name, leaf in tree_flatten([way(*each)])] for each in both)
        size = anatomy.body(mx.zeros((1, 8), mx.int32)).dtype.size
        if _apart(plain, split) < _APART[size]:
            return ""
    except UNLIKE:
        pass
    return _("this kind of model does not give the same so")


def _ways(
    examples: Examples,
    rows: tuple[int, int],
    length: int,
    width: int,
    stored: Stored | None,
) -> list[tuple[Any, ...]]:
    """Make what the loss is called with, as it is and with the first `length` tokens apart.

    Of each row `width` tokens, of which all after those are labels.
    """
    tokens = mx.array(np.stack([examples.example(row)[: width + 1] for row in rows]))
    entering = stored.read(rows, width) if stored else None
    first = None if entering is None else entering[:1, :length]
    rest = None if entering is None else entering[:, length:]
    targets = tokens[:, length + 1 :].reshape(-1)
    within = mx.arange(len(targets), dtype=mx.int32)
    after = width - length
    places = within % after + length + within // after * width
    mask = mx.ones(targets.shape)
    prefix: Prefix = (tokens[:1, :length], mx.zeros((0,), mx.int32), first)
    return [
        (tokens[:, :-1], places, targets, mask, entering, None),
        (tokens[:, length:-1], within, targets, mask, rest, prefix),
    ]


def _apart(one: list[mx.array], other: list[mx.array]) -> float:
    """How far two lists of arrays are apart: the norm of the difference, relative."""
    names = map(str, range(len(one)))
    size = loss.norm(dict(zip(names, one, strict=True)))
    far = loss.norm({str(at): a - b for at, (a, b) in enumerate(zip(one, other, strict=True))})
    return loss.scalar(far / size)
