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
    first_label: (n,) index within the example of the first token that is a label, at least 1.
    truncated: how many examples were longer than max_seq_length.
    """

    tokens: Ints
    bounds: NDArray[np.int64]
    first_label: Ints
    truncated: int

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.first_label)

    def example(self, index: int) -> Ints:
        """Give the tokens of one example."""
        tokens: Ints = self.tokens[self.bounds[index] : self.bounds[index + 1]]
        return tokens

    @functools.cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each example, (n,)."""
        lengths: NDArray[np.int64] = np.diff(self.bounds)
        return lengths

    @functools.cached_property
    def labels(self) -> NDArray[np.int64]:
        """Label tokens of each example, (n,)."""
        labels: NDArray[np.int64] = self.lengths - self.first_label
        return labels

    def digest(self) -> str:
        """SHA-256 over tokens and labels: equal for what trains equally."""
        return self._digest

    @functools.cached_property
    def _digest(self) -> str:
        sha = hashlib.sha256()
        for values in (self.tokens, self.bounds, self.first_label):
            sha.update(np.ascontiguousarray(values).data)
        return sha.hexdigest()


class Builder:
    """Puts examples together one by one."""

    def __init__(self, max_seq_length: int) -> None:
        """Longer examples will be cut off at `max_seq_length` tokens."""
        self._most = max_seq_length
        self._tokens = array("i")
        self._lengths = array("i")
        self._first_label = array("i")

    def add(self, encoded: Encoded) -> None:
        """Take one more."""
        self._tokens.extend(encoded.tokens[: self._most])
        self._lengths.append(len(encoded.tokens))
        self._first_label.append(encoded.first)

    def build(self, chosen: NDArray[np.bool_] | None = None) -> Examples:
        """Give the examples; `chosen`, (n,), takes only some of them."""
        whole = np.frombuffer(self._lengths, np.int32)
        lengths = np.minimum(whole, self._most)
        tokens = np.frombuffer(self._tokens, np.int32)
        first_label = np.frombuffer(self._first_label, np.int32)
        truncated = whole > self._most
        if chosen is not None:
            tokens = tokens[np.repeat(chosen, lengths)]
            lengths, first_label = lengths[chosen], first_label[chosen]
            truncated = truncated[chosen]
        bounds = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
        return Examples(tokens, bounds, first_label, int(truncated.sum()))
