"""Cutting a step: nothing dropped, nothing doubled, no padding a label, and never dearer."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from worker import batching
from worker.batching import Position
from worker.data import Examples

lengths = st.lists(st.integers(2, 80), min_size=1, max_size=40)


def examples(sizes: list[int], first_label: int = 1) -> Examples:
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    return Examples(
        tokens=np.arange(1, bounds[-1] + 1, dtype=np.int32),
        bounds=bounds.astype(np.int64),
        first_label=np.array([min(first_label, size - 1) for size in sizes], dtype=np.int32),
        truncated=0,
    )


@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 5))
def test_an_epoch_goes_through_every_example_once(count: int, batch: int, epoch: int) -> None:
    steps = batching.steps_per_epoch(count, batch)
    drawn = [
        row
        for index in range(steps)
        for row in batching.draw(Position(epoch, index), count, batch, seed=3)
    ]
    assert sorted(drawn) == list(range(count))


def test_epochs_and_seeds_have_their_own_order() -> None:
    orders = {
        tuple(batching.draw(Position(epoch, 0), 50, 50, seed))
        for epoch in (0, 1)
        for seed in (1, 2)
    }
    assert len(orders) == 4


@given(st.integers(1, 1000), st.integers(1, 50))
def test_the_position_follows_from_the_step(step: int, per_epoch: int) -> None:
    at = batching.position(step, per_epoch)
    assert at.epoch * per_epoch + at.index + 1 == step
    assert 0 <= at.index < per_epoch


@given(lengths, st.integers(1, 12))
def test_a_cut_keeps_every_row_and_the_limit(sizes: list[int], most: int) -> None:
    pieces = batching.cut(sizes, most)
    assert sorted(i for piece in pieces for i in piece) == list(range(len(sizes)))
    assert all(1 <= len(piece) <= most for piece in pieces)


def cost(sizes: list[int], pieces: list[list[int]]) -> int:
    widths = [batching.padded(max(sizes[i] for i in piece) - 1) for piece in pieces]
    return sum(len(p) * w + 48 for p, w in zip(pieces, widths, strict=True))


@given(lengths, st.integers(1, 12))
def test_a_cut_is_never_dearer_than_filling_up(sizes: list[int], most: int) -> None:
    order = sorted(range(len(sizes)), key=lambda i: sizes[i])
    filled = [order[i : i + most] for i in range(0, len(order), most)]
    assert cost(sizes, batching.cut(sizes, most)) <= cost(sizes, filled)


def test_long_and_short_rows_are_not_padded_to_each_other() -> None:
    assert batching.cut([10, 200, 12, 9], 4) == [[3, 0, 2], [1]]
    assert batching.cut([10, 11, 12, 9], 4) == [[3, 0, 1, 2]]


@given(lengths, st.integers(1, 60))
def test_labels_are_where_they_belong(sizes: list[int], first_label: int) -> None:
    data = examples(sizes, first_label)
    batch = batching.collate(data, range(len(sizes)))
    assert batch.inputs.shape[1] % batching.PAD_TO == 0
    assert batch.tokens == sum(sizes)
    assert batch.label_tokens == data.labels.sum() == batch.mask.sum()
    for row in range(len(sizes)):
        tokens = data.example(row)
        labels = batch.targets[row][batch.mask[row] == 1]
        assert list(labels) == list(tokens[data.first_label[row] :])
        # what predicts a label is the token before it
        before = batch.inputs[row][batch.mask[row] == 1]
        assert list(before) == list(tokens[data.first_label[row] - 1 : -1])
    padding = batch.targets == 0  # no token of ours is 0
    assert batch.mask[padding].sum() == 0
