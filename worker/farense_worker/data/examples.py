"""A tokenised split in a few flat arrays, so that a million rows are no million objects."""

from __future__ import annotations

import functools
import hashlib
from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from farense_worker.data.labels import Encoded

Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Examples:
    """A tokenised split.

    tokens: (sum of lengths,) int32. bounds: (n + 1,) where each example begins and the last ends.
    is_label: (sum of lengths,) whether a token is a label; the first of an example never is.
    truncated: how many examples were longer than max_seq_length.
    """

    tokens: Ints
    bounds: NDArray[np.int64]
    is_label: NDArray[np.bool_]
    truncated: int

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def example(self, index: int) -> Ints:
        tokens: Ints = self.tokens[self.bounds[index] : self.bounds[index + 1]]
        return tokens

    def labels_of(self, index: int) -> NDArray[np.int64]:
        """Give where in an example its labels are."""
        return np.flatnonzero(self.is_label[self.bounds[index] : self.bounds[index + 1]])

    @functools.cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each example, (n,)."""
        lengths: NDArray[np.int64] = np.diff(self.bounds)
        return lengths

    @functools.cached_property
    def labels(self) -> NDArray[np.int64]:
        """Label tokens of each example, (n,)."""
        if not len(self):
            return np.zeros(0, np.int64)
        return np.add.reduceat(self.is_label, self.bounds[:-1], dtype=np.int64)

    @functools.cached_property
    def first_label(self) -> Ints:
        """Index within each example of its first label, (n,)."""
        starts, where = self.bounds[:-1], np.flatnonzero(self.is_label)
        if not len(where):
            return np.zeros(len(self), np.int32)
        first = where[np.minimum(np.searchsorted(where, starts), len(where) - 1)] - starts
        return first.astype(np.int32)

    def digest(self) -> str:
        """SHA-256 over tokens and labels: equal for what trains equally."""
        return self._digest

    @functools.cached_property
    def _digest(self) -> str:
        sha = hashlib.sha256()
        # Where labels run from the first to the end, as they all did once, that one says it all:
        # the checkpoints of older runs know their data by it.
        runs_on = np.array_equal(self.labels, self.lengths - self.first_label)
        marks = self.first_label if runs_on else self.is_label
        for values in (self.tokens, self.bounds, marks):
            sha.update(np.ascontiguousarray(values).data)
        return sha.hexdigest()


class Builder:
    def __init__(self, max_seq_length: int) -> None:
        """Longer examples will be cut off at `max_seq_length` tokens."""
        self._most = max_seq_length
        self._tokens = array("i")
        self._lengths = array("i")
        self._is_label = bytearray()

    def add(self, encoded: Encoded) -> None:
        tokens = encoded.tokens[: self._most]
        self._tokens.extend(tokens)
        self._lengths.append(len(encoded.tokens))
        marks = bytearray(len(tokens))
        for start, end in encoded.spans:
            inside = slice(start, min(end, len(tokens)))
            marks[inside] = b"\1" * len(marks[inside])
        self._is_label += marks

    def build(self, chosen: NDArray[np.bool_] | None = None) -> Examples:
        """Give the examples; `chosen`, (n,), takes only some of them."""
        whole = np.frombuffer(self._lengths, np.int32)
        lengths = np.minimum(whole, self._most)
        tokens = np.frombuffer(self._tokens, np.int32)
        is_label = np.frombuffer(self._is_label, np.bool_)
        truncated = whole > self._most
        if chosen is not None:
            kept = np.repeat(chosen, lengths)
            tokens, is_label = tokens[kept], is_label[kept]
            lengths, truncated = lengths[chosen], truncated[chosen]
        bounds = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
        return Examples(tokens, bounds, is_label, int(truncated.sum()))
