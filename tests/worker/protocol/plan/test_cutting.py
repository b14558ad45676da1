"""Cutting a step: nothing dropped, nothing doubled, and never dearer."""

from __future__ import annotations

from farense_worker.protocol.plan import cutting
from hypothesis import given
from hypothesis import strategies as st

lengths = st.lists(st.integers(2, 80), min_size=1, max_size=40)


@given(lengths, st.integers(1, 400))
def test_a_cut_keeps_every_row_and_the_budget(sizes: list[int], budget: int) -> None:
    pieces = cutting.cut(sizes, budget)
    assert sorted(i for piece in pieces for i in piece) == list(range(len(sizes)))
    for piece in pieces:
        width = cutting.padded(max(sizes[i] for i in piece) - 1)
        assert len(piece) == 1 or len(piece) * width <= budget


def cost(sizes: list[int], pieces: list[list[int]]) -> int:
    widths = [cutting.padded(max(sizes[i] for i in piece) - 1) for piece in pieces]
    return sum(len(p) * w + cutting.OVERHEAD for p, w in zip(pieces, widths, strict=True))


@given(lengths, st.integers(1, 12))
def test_a_cut_is_never_dearer_than_filling_up(sizes: list[int], most: int) -> None:
    budget = most * cutting.padded(max(sizes) - 1)
    order = sorted(range(len(sizes)), key=lambda i: sizes[i])
    filled = [order[i : i + most] for i in range(0, len(order), most)]
    assert cost(sizes, cutting.cut(sizes, budget)) <= cost(sizes, filled)


def test_long_and_short_rows_are_not_padded_to_each_other() -> None:
    assert cutting.cut([10, 200, 12, 9], 800) == [[3, 0, 2], [1]]
    assert cutting.cut([10, 11, 12, 9], 800) == [[3, 0, 1, 2]]


def test_short_rows_go_together_where_a_long_one_goes_alone() -> None:
    assert cutting.cut([129, 129], 128) == [[0], [1]]
    assert cutting.cut([17] * 8, 128) == [list(range(8))]


@given(st.integers(1, 100_000))
def test_labels_are_rounded_up_a_little(labels: int) -> None:
    rounded = cutting.rounded(labels)
    assert labels <= rounded <= max(labels + 7, labels * 1.25)
