"""What a run will compute: its steps, its micro-batches, and the arithmetic in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from farense_worker.protocol.messages.estimation import Rows
from farense_worker.protocol.plan import prefix as shared
from farense_worker.protocol.plan import steps as planned
from farense_worker.protocol.plan.cutting import OVERHEAD, at_once, cut, padded, rounded
from farense_worker.protocol.plan.model_shape import Shape
from farense_worker.protocol.plan.prefix import Piece
from farense_worker.protocol.plan.step_memory import MicroBatch, trained_layers
from farense_worker.protocol.settings.profile import Profile

_FEW = 400  # rows, of which it is worked out how they are cut for a pass over all
_LOOK_AHEAD = 1000  # steps; what a longer run computes is taken from these


@dataclass(frozen=True)
class Workload:
    """The micro-batches of a run. known: whether from real lengths, or all of the greatest length.

    batches: of the steps looked at, step by step; steps, per_epoch: of the run. alone: tokens of
    these steps if what rows begin with alike were computed for each; 0 where nothing is shared.
    """

    batches: tuple[tuple[MicroBatch, ...], ...]
    steps: int
    per_epoch: int
    known: bool
    alone: int = 0

    @property
    def saved(self) -> float:
        """Share of the tokens that need not go through the model."""
        computed = sum(batch.tokens + batch.ahead for batch in self.all)
        return max(0.0, 1 - computed / self.alone) if self.alone else 0.0

    @property
    def all(self) -> Iterator[MicroBatch]:
        return (batch for step in self.batches for batch in step)

    @property
    def micro_batches(self) -> int:
        """The most in one step."""
        return max((len(step) for step in self.batches), default=0)


def look_ahead(
    profile: Profile,
    rows: dict[str, Rows],
    counted: dict[str, int],
    budget: int,
    *,
    few_shapes: bool = False,
) -> Workload:
    """Go through the steps as the training will.

    rows: of the splits, as the worker has tokenised them; without them all are taken to be of the
    greatest length with every token a label, which no run exceeds. counted: rows of the files.
    budget: tokens of a micro-batch. few_shapes: labels are padded, as for compiled steps.
    """
    train = rows.get("train")
    most, batch = profile.train.max_seq_length, profile.effective_batch
    if not train or not train.tokens:
        number = counted.get("train", 0)
        size = min(batch, number) or batch
        pieces = cut([most] * size, budget)
        full = _step([most] * size, [1] * size, list(map(Piece, map(tuple, pieces))), few_shapes)
        per_epoch = planned.per_epoch(number, batch)
        return Workload((full,), per_epoch * profile.train.epochs, per_epoch, False)
    import numpy as np  # not above: a start without a screen does without it

    per_epoch = planned.per_epoch(train.total, batch)
    lengths = np.minimum(train.tokens, most)
    context = np.minimum(train.context, lengths - 1)
    steps = per_epoch * profile.train.epochs
    known = planned.per_epoch(len(lengths), batch)  # of a sample, as if it were the whole
    prefixes = () if shared.objection(profile) else train.shared
    groups = np.array(train.groups if prefixes else [shared.NONE] * len(lengths))
    seen, alone = [], 0
    for step in range(1, min(steps, _LOOK_AHEAD) + 1):
        at = planned.position(step, known)
        drawn = planned.draw(at, len(lengths), batch, profile.train.seed)
        own = lengths[drawn].tolist()
        made = shared.pieces(own, groups[drawn].tolist(), prefixes, budget)
        seen.append(_step(own, context[drawn].tolist(), made, few_shapes))
        if prefixes:
            alone += shared.tokens(own, map(Piece, map(tuple, cut(own, budget))))
    return Workload(tuple(seen), steps, per_epoch, True, alone)


def once(
    profile: Profile, rows: dict[str, Rows], counted: dict[str, int], budget: int
) -> set[MicroBatch]:
    """Find the kinds of micro-batches of a pass over all training rows, as a trunk is made by.

    Of many rows there are as many of a length as go through at once.
    """
    train, most = rows.get("train"), profile.train.max_seq_length
    if not train or not train.tokens:
        width, total = padded(most - 1), counted.get("train", 0) or profile.effective_batch
        return {MicroBatch(min(total, at_once(width, budget)), width, 0)}
    lengths = [min(length, most) for length in train.tokens]
    prefixes = () if profile.train.shared_prefix == "off" else train.shared
    groups = list(train.groups if prefixes else [shared.NONE] * len(lengths))
    if train.total <= _FEW:
        made = shared.pieces(lengths, groups, prefixes, budget)
        return set(_step(lengths, lengths, made, few_shapes=False))
    of_group, found = (*prefixes, 0), set()  # the last is of rows that begin like no other
    for length, group in set(zip(lengths, groups, strict=True)):
        prefix = min(of_group[group], length - 2)
        width = padded(length - 1 - prefix)
        found.add(MicroBatch(at_once(width, budget, prefix), width, 0, prefix))
    return found


def longest(profile: Profile, rows: dict[str, Rows]) -> int:
    """Tokens of the longest training row, cut off; where that is unknown, of the greatest."""
    train, most = rows.get("train"), profile.train.max_seq_length
    return min(most, max(train.tokens)) if train and train.tokens else most


def tokens(profile: Profile, rows: dict[str, Rows], counted: dict[str, int]) -> int:
    """Inputs of all training and validation rows, which is what a stored trunk holds.

    What rows begin with alike is stored once.
    """
    most, train = profile.train.max_seq_length, rows.get("train")
    if not train or not train.tokens:
        return (counted.get("train", 0) + counted.get("valid", 0)) * (most - 1)
    once = profile.train.shared_prefix != "off"
    return sum(_inputs(split, most, split.shared if once else ()) for split in rows.values())


def _inputs(split: Rows, most: int, prefixes: Sequence[int]) -> int:
    """Tokens that enter the model, of all rows where only a sample is known."""
    groups = split.groups if prefixes else [shared.NONE] * len(split.tokens)
    of_group = (*prefixes, 0)  # the last is of rows that begin like no other
    known = sum(
        max(1, min(length, most) - 1 - of_group[group])
        for length, group in zip(split.tokens, groups, strict=True)
    )
    return known * split.total // max(1, len(split.tokens)) + sum(prefixes)


def _step(
    lengths: list[int], context: list[int], pieces: Sequence[Piece], few_shapes: bool
) -> tuple[MicroBatch, ...]:
    return tuple(_batch(lengths, context, few_shapes, piece) for piece in pieces)


def _batch(
    lengths: Sequence[int], context: Sequence[int], few_shapes: bool, piece: Piece
) -> MicroBatch:
    """Count what a piece of these rows is; labels in a prefix are counted where it is computed."""
    prefix, first = piece.prefix, piece.prefix + 1 if piece.handed else 0
    labels = sum(lengths[i] - max(context[i], first) for i in piece.rows)
    labels += sum(max(0, prefix + 1 - context[i]) for i in piece.before)
    labels = rounded(labels) if few_shapes else labels
    width = padded(max(lengths[i] for i in piece.rows) - 1 - prefix)
    return MicroBatch(len(piece.rows), width, labels, prefix, piece.passes)


def flops(shape: Shape, profile: Profile, batch: MicroBatch, *, cached: bool) -> float:
    """Floating-point operations of a micro-batch, forwards and backwards.

    Two for each weight and token; the backward pass through a trained layer takes as many again,
    and gradient checkpointing the forward pass once more (Kaplan et al., 2020, section 2.1, less
    the gradient of frozen weights). Attention: 4 x width x queries a token. Head: labels only.
    """
    layers = trained_layers(shape, profile)
    frozen = 0 if cached else shape.layers - layers
    passes = 3 if profile.train.grad_checkpoint else 2
    layer = 2 * shape.layer_weights + 4 * batch.reach * shape.heads * shape.head_dim
    own = (
        2
        * shape.trained(profile).parameters
        * ((1 if profile.train.fine_tune_type == "full" else 2) + passes - 1)
    )
    head = 4 * shape.vocabulary * shape.hidden
    computed = batch.tokens * (layer * (frozen + passes * layers) + own)
    return computed + batch.ahead * layer * (frozen + layers) + batch.labels * head


def trunk_flops(shape: Shape, profile: Profile, tokens: int, width: int) -> float:
    """Operations of the pass over the frozen layers, once for all tokens."""
    frozen = shape.layers - trained_layers(shape, profile)
    layer = 2 * shape.layer_weights + 4 * width * shape.heads * shape.head_dim
    return float(tokens * layer * frozen)


def validation_flops(
    shape: Shape,
    profile: Profile,
    rows: dict[str, Rows],
    counted: dict[str, int],
    *,
    cached: bool,
) -> float:
    """Operations of one validation: all of its rows, forwards alone.

    What its rows begin with alike is counted for each.
    """
    most, valid = profile.train.max_seq_length, rows.get("valid")
    if valid and valid.tokens:
        lengths = [min(length, most) for length in valid.tokens]
        labels = sum(max(0, n - c) for n, c in zip(lengths, valid.context, strict=True))
        share = valid.total / len(lengths)
    else:
        lengths, labels, share = [most], most - 1, 0.0 if rows else counted.get("valid", 0)
    layers = trained_layers(shape, profile) if cached else shape.layers
    full = profile.train.fine_tune_type == "full"
    own = 0 if full else 2 * shape.trained(profile).parameters
    layer, attention = 2 * shape.layer_weights, 4 * shape.heads * shape.head_dim
    widths = [padded(n - 1) for n in lengths]
    through = sum(width * ((layer + attention * width) * layers + own) for width in widths)
    return float(share * (through + 2 * labels * shape.vocabulary * shape.hidden))


def run_flops(shape: Shape, profile: Profile, work: Workload, *, cached: bool) -> float:
    """Operations of one step on average, over the steps looked at."""
    one = MicroBatch(1, OVERHEAD, 0)  # what one more micro-batch costs
    extra = flops(shape, profile, one, cached=cached)
    total = sum(flops(shape, profile, batch, cached=cached) + extra for batch in work.all)
    return total / max(1, len(work.batches))
