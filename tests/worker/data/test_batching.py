"""Collating rows: no padding is a label, and every label is where it belongs."""

from __future__ import annotations

import numpy as np
from farense_worker.data import batching
from farense_worker.data.prepare import Examples
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
