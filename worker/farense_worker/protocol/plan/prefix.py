"""What rows begin with alike, computed once for several of them: when, and how they are cut.

Rows of a data set that begin with the same tokens (a system prompt, tools, examples, the
template's header) form a group; data/shared_prefix.py finds the groups. Those of a group that come
together in a step go through the model behind one prefix. Where they are several micro-batches the
prefix goes first, ahead and without a gradient, then each micro-batch but the last from the states
that it has left; the last takes the prefix with it once more, and with it the gradient by those
states. So no more than one micro-batch is there at once, and the prefix has one backward pass.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.plan.cutting import OVERHEAD, at_once, cheapest, padded
from farense_worker.protocol.settings.profile import Profile

NONE = -1  # the group of a row that begins like no other
# What a pass without a gradient costs, as a share of one with it.
_AHEAD = 0.5


@dataclass(frozen=True)
class Piece:
    """Rows that go through the model at once, by index, behind `prefix` tokens; 0 for none.

    handed: whether that prefix is not computed with them. before: with a prefix that is, the rows
    that were handed it.
    """

    rows: tuple[int, ...]
    prefix: int = 0
    handed: bool = False
    before: tuple[int, ...] = ()

    @property
    def passes(self) -> int:
        """How often the prefix goes through the model for this piece."""
        return 0 if self.handed else 2 if self.before else 1

    def named(self, names: Sequence[int]) -> Piece:
        """Give the same with names in place of the indices."""
        rows, before = (tuple(names[i] for i in each) for each in (self.rows, self.before))
        return replace(self, rows=rows, before=before)


def objection(profile: Profile) -> str:
    """Say why no prefix is shared in training, empty if one is."""
    if profile.train.shared_prefix == "off":
        return _("train.shared_prefix is off")
    if profile.lora.dropout and profile.train.shared_prefix == "auto":
        return _("with lora.dropout every row drops something else")
    return ""


def pieces(
    lengths: Sequence[int], groups: Sequence[int], prefixes: Sequence[int], most_tokens: int
) -> list[Piece]:
    """Cut rows of these lengths into micro-batches, as `cutting.cut` does, in their order.

    groups: of each row, or NONE. prefixes: tokens that the rows of each group begin with alike; of
    a row that is cut off, all but its last two at most. A group is computed behind its prefix
    where fewer tokens go through the model so.
    """
    together = defaultdict[int, list[int]](list)
    for row, group in enumerate(groups):
        together[group].append(row)
    alone, found = together.pop(NONE, []), list[Piece]()
    for group, rows in sorted(together.items()):
        own = [lengths[row] for row in rows]
        prefix = min(prefixes[group], min(own) - 2)
        cost, shared = _behind(own, most_tokens, prefix) if prefix > 0 and len(own) > 1 else (0, [])
        if shared and cost + OVERHEAD * bool(alone) < cheapest(own, most_tokens)[0]:
            found += [piece.named(rows) for piece in shared]
        else:
            alone += rows
    _cost, plain = cheapest([lengths[row] for row in alone], most_tokens)
    return [Piece(tuple(alone[i] for i in piece)) for piece in plain] + found


def _behind(lengths: Sequence[int], most_tokens: int, prefix: int) -> tuple[float, list[Piece]]:
    """Cut the rows of a group behind its prefix; what that costs, in tokens of computation."""
    cost, several = cheapest(lengths, most_tokens, prefix)
    cost += prefix + OVERHEAD
    if len(several) > 1:
        cost += prefix * _AHEAD + OVERHEAD
        everything = list(range(len(lengths)))
        size = _size(lengths, everything, prefix)
        together = size + prefix + 2 * OVERHEAD
        fit = len(lengths) <= at_once(size // len(lengths), most_tokens, prefix)
        if fit and together <= cost:
            cost, several = together, [everything]
    # the prefix and its gradient go with what takes least beside them
    *others, last = sorted(several, key=lambda rows: -_size(lengths, rows, prefix))
    before = tuple(row for piece in others for row in piece)
    handed = [Piece(tuple(piece), prefix, handed=True) for piece in others]
    return cost, [*handed, Piece(tuple(last), prefix, before=before)]


def _size(lengths: Any, rows: Sequence[int], prefix: int) -> int:
    """Count the tokens of rows behind a prefix, padding included."""
    return len(rows) * padded(max(int(lengths[row]) for row in rows) - 1 - prefix)


def tokens(lengths: Any, made: Iterable[Piece]) -> int:
    """Count what goes through the model, padding included. lengths: by the pieces' rows."""
    return sum(
        piece.prefix * piece.passes + _size(lengths, piece.rows, piece.prefix) for piece in made
    )
