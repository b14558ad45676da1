"""Cutting a step: nothing dropped, nothing doubled, no padding a label, and never dearer."""

from __future__ import annotations

import numpy as np
from farense_worker.data import batching
from farense_worker.data.batching import Position
from farense_worker.data.prepare import Examples
from farense_worker.protocol import plan
from hypothesis import given
from hypothesis import strategies as st

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


@given(lengths, st.integers(1, 400))
def test_a_cut_keeps_every_row_and_the_budget(sizes: list[int], budget: int) -> None:
    pieces = batching.cut(sizes, budget)
    assert sorted(i for piece in pieces for i in piece) == list(range(len(sizes)))
    for piece in pieces:
        width = batching.padded(max(sizes[i] for i in piece) - 1)
        assert len(piece) == 1 or len(piece) * width <= budget


def cost(sizes: list[int], pieces: list[list[int]]) -> int:
    widths = [batching.padded(max(sizes[i] for i in piece) - 1) for piece in pieces]
    return sum(len(p) * w + plan.OVERHEAD for p, w in zip(pieces, widths, strict=True))


@given(lengths, st.integers(1, 12))
def test_a_cut_is_never_dearer_than_filling_up(sizes: list[int], most: int) -> None:
    budget = most * batching.padded(max(sizes) - 1)
    order = sorted(range(len(sizes)), key=lambda i: sizes[i])
    filled = [order[i : i + most] for i in range(0, len(order), most)]
    assert cost(sizes, batching.cut(sizes, budget)) <= cost(sizes, filled)


def test_long_and_short_rows_are_not_padded_to_each_other() -> None:
    assert batching.cut([10, 200, 12, 9], 800) == [[3, 0, 2], [1]]
    assert batching.cut([10, 11, 12, 9], 800) == [[3, 0, 1, 2]]


def test_short_rows_go_together_where_a_long_one_goes_alone() -> None:
    assert batching.cut([129, 129], 128) == [[0], [1]]
    assert batching.cut([17] * 8, 128) == [list(range(8))]


@given(st.integers(1, 100_000))
def test_labels_are_rounded_up_a_little(labels: int) -> None:
    rounded = batching.rounded(labels)
    assert labels <= rounded <= max(labels + 7, labels * 1.25)


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
