"""Collating rows: no padding is a label, and every label is where it belongs."""

from __future__ import annotations

import hashlib

import numpy as np
from farense_worker.data import batching
from farense_worker.data.examples import Builder, Examples
from farense_worker.data.labels import Encoded
from hypothesis import given
from hypothesis import strategies as st

lengths = st.lists(st.integers(2, 80), min_size=1, max_size=40)


def examples(sizes: list[int], first_label: int = 1) -> Examples:
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    return Examples(
        tokens=np.arange(1, bounds[-1] + 1, dtype=np.int32),
        bounds=bounds.astype(np.int64),
        is_label=np.concatenate([np.arange(size) >= min(first_label, size - 1) for size in sizes]),
        truncated=0,
    )


@given(lengths, st.integers(1, 60), st.booleans())
def test_labels_are_where_they_belong(sizes: list[int], first_label: int, few: bool) -> None:
    data = examples(sizes, first_label)
    batch = batching.collate(data, range(len(sizes)), few_shapes=few)
    width = batch.inputs.shape[1]
    assert width % 8 == 0
    assert batch.label_tokens == data.labels.sum() == batch.mask.sum()
    positions = batch.positions[batch.mask == 1]
    targets = batch.targets[batch.mask == 1]
    for row in range(len(sizes)):
        tokens = data.example(row)
        mine = positions // width == row
        assert list(targets[mine]) == list(tokens[data.first_label[row] :])
        # what predicts a label is the token before it
        before = batch.inputs[row][positions[mine] % width]
        assert list(before) == list(tokens[data.first_label[row] - 1 : -1])


def test_labels_in_several_runs() -> None:
    builder = Builder(8)
    builder.add(Encoded(list(range(1, 8)), ((2, 4), (6, 7))))
    builder.add(Encoded(list(range(11, 21)), ((1, 3), (5, 10))))  # cut off at 8
    data = builder.build()
    assert list(data.labels) == [3, 5]
    assert list(data.first_label) == [2, 1]
    assert data.truncated == 1
    batch = batching.collate(data, [0, 1])
    assert list(batch.targets) == [3, 4, 7, 12, 13, 16, 17, 18]
    before = batch.inputs.reshape(-1)[batch.positions]
    assert list(before) == [2, 3, 6, 11, 12, 15, 16, 17]
    assert data.digest() != builder.build(np.array([True, False])).digest()


def test_the_data_of_older_runs_are_known_again() -> None:
    """Their checkpoints hold a hash of the index of each first label, not of every token."""
    data = examples([5, 9, 3], 2)
    sha = hashlib.sha256()
    for values in (data.tokens, data.bounds, np.array([2, 2, 2], np.int32)):
        sha.update(values.data)
    assert data.digest() == sha.hexdigest()
