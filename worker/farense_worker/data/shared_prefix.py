"""What the rows of a split begin with alike: found in their tokens, whatever it is.

A system prompt, tools, few-shot examples, the template's header: rows are sorted into groups that
begin with the same tokens, as a tree of beginnings has them, and of that tree those are taken that
save most in a step. One group for a club's chatbot; three where rows have three system prompts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from farense_worker.data.examples import Examples
from farense_worker.protocol.plan.cutting import OVERHEAD
from farense_worker.protocol.plan.prefix import NONE

Rows = NDArray[np.int64]
# Rows of a validation that may share a prefix, to find groups by: all of them are computed.
AT_ONCE = 64
_COMPARED = 1 << 22  # tokens that are compared in one go
_DEEPEST = 200  # branches over one another that are looked into


@dataclass(frozen=True)
class Shared:
    """Groups of rows. of_row: (n,) the group of each row, or NONE; lengths: (g,) shared tokens."""

    of_row: NDArray[np.int32]
    lengths: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.lengths)

    def rows(self, group: int) -> Rows:
        """Give the rows of a group."""
        return np.flatnonzero(self.of_row == group)

    def longest(self, examples: Examples) -> tuple[tuple[int, int], int]:
        """Give two rows of the group that shares most, its longest ones, and how much that is."""
        group = int(np.argmax(self.lengths))
        rows = self.rows(group)
        last = rows[np.argsort(examples.lengths[rows], kind="stable")[-2:]]
        return (int(last[0]), int(last[1])), self.lengths[group]


@dataclass(frozen=True)
class _Group:
    rows: Rows
    length: int


def find(examples: Examples, batch: int) -> Shared:
    """Find the groups that save most where `batch` rows are drawn at once, any of them."""
    of_row, groups = np.full(len(examples), NONE, np.int32), list[_Group]()
    if len(examples) > 1 and batch > 1:
        _value, groups = _Search(examples, batch).best(np.arange(len(examples)), 0, 0)
    for number, group in enumerate(groups):
        of_row[group.rows] = number
    return Shared(of_row, tuple(group.length for group in groups))


class _Search:
    def __init__(self, examples: Examples, batch: int) -> None:
        self._tokens, self._starts = examples.tokens, examples.bounds[:-1]
        self._most = examples.lengths - 2  # one token after the prefix enters, one is predicted
        self._batch = min(batch, len(examples))

    def saved(self, rows: int, length: int) -> float:
        """Tokens that a step computes less, on average, if so many rows share so many tokens."""
        share = rows / len(self._starts)
        any_of_them = 1.0 - (1.0 - share) ** self._batch
        return length * (self._batch * share - any_of_them) - OVERHEAD * any_of_them

    def best(self, rows: Rows, depth: int, branches: int) -> tuple[float, list[_Group]]:
        """Choose the groups of rows whose first `depth` tokens are the same."""
        own, chosen, parts = 0.0, list[_Group](), [rows]
        while len(parts) == 1:
            (rows,) = parts
            depth = self._alike(rows, depth)
            value = self.saved(len(rows), depth)
            if value > own:
                own, chosen = value, [_Group(rows, depth)]
            parts = list(self._parts(rows, depth)) if branches < _DEEPEST else []
            depth += 1
        below = [self.best(part, depth, branches + 1) for part in parts]
        total = sum(value for value, _groups in below)
        if total > own:
            return total, [group for _value, groups in below for group in groups]
        return own, chosen

    def _alike(self, rows: Rows, depth: int) -> int:
        """Count the tokens that all of these rows begin with, of which `depth` are known."""
        most = int(self._most[rows].min())
        starts, first = self._starts[rows], self._starts[rows[0]]
        wide = max(1, _COMPARED // len(rows))
        while depth < most:
            places = np.arange(depth, min(most, depth + wide))
            same = (self._tokens[starts[:, None] + places] == self._tokens[first + places]).all(0)
            if not same.all():
                return depth + int(same.argmin())
            depth += len(places)
        return max(depth, 0)

    def _parts(self, rows: Rows, depth: int) -> Iterator[Rows]:
        """Divide rows by their next token; those that end there, or save nothing, are left out."""
        rows = rows[self._most[rows] > depth]
        if len(rows) < 2:
            return
        tokens = self._tokens[self._starts[rows] + depth]
        order = np.argsort(tokens, kind="stable")
        edges = np.flatnonzero(np.diff(tokens[order])) + 1
        for part in np.split(rows[order], edges):
            if len(part) > 1 and self.saved(len(part), int(self._most[part].max())) > 0:
                yield part
