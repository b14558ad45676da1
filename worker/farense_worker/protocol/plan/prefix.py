"""What rows begin with alike, computed once for several of them: when, and how they are cut.

Rows of a data set that begin with the same tokens (a system prompt, tools, examples, the
template's header) form a group; data/shared_prefix.py finds the groups. Those of a group that come
together in a step go through the model behind one prefix.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.plan.cutting import OVERHEAD, cheapest, padded
from farense_worker.protocol.settings.profile import Profile

NONE = -1  # the group of a row that begins like no other


@dataclass(frozen=True)
class Piece:
    """Rows that go through the model at once, by index, behind `prefix` tokens; 0 for none."""

    rows: tuple[int, ...]
    prefix: int = 0


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
    """Cut rows of these lengths into micro-batches, as `cutting.cut` does.

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
        cost, shared = cheapest(own, most_tokens, prefix) if prefix > 0 else (0, [])
        if shared and cost + OVERHEAD * bool(alone) < cheapest(own, most_tokens)[0]:
            found += [
                Piece(tuple(rows[i] for i in piece), prefix * (len(piece) > 1)) for piece in shared
            ]
        else:
            alone += rows
    _cost, plain = cheapest([lengths[row] for row in alone], most_tokens)
    return [Piece(tuple(alone[i] for i in piece)) for piece in plain] + found


def tokens(lengths: Any, made: Iterable[Piece]) -> int:
    """Count what goes through the model, padding included. lengths: by the pieces' rows."""
    total = 0
    for piece in made:
        longest = max(int(lengths[row]) for row in piece.rows)
        total += piece.prefix + len(piece.rows) * padded(longest - 1 - piece.prefix)
    return total
