"""How rows that begin alike are cut: every row once, never dearer than without."""

from __future__ import annotations

from dataclasses import replace

from farense_worker.protocol.plan import prefix
from farense_worker.protocol.plan.cutting import OVERHEAD
from farense_worker.protocol.plan.prefix import NONE, Piece
from hypothesis import given
from hypothesis import strategies as st

PREFIXES = (150, 40, 3)
rows = st.lists(
    st.tuples(st.integers(2, 90), st.sampled_from([NONE, 0, 1, 2])), min_size=1, max_size=16
)


@given(rows, st.sampled_from([1, 300, 1000, 4000]))
def test_every_row_is_in_one_piece(own: list[tuple[int, int]], most: int) -> None:
    groups = [group for _length, group in own]
    lengths = [length + (PREFIXES[group] if group != NONE else 0) for length, group in own]
    made = prefix.pieces(lengths, groups, PREFIXES, most)
    assert sorted(row for piece in made for row in piece.rows) == list(range(len(own)))
    handed = list[int]()
    for piece in made:
        if piece.prefix:
            assert len({groups[row] for row in (*piece.rows, *handed)}) == 1
            assert piece.prefix == PREFIXES[groups[piece.rows[0]]]
            handed += piece.rows if piece.handed else ()
        if not piece.handed:  # it computes the prefix of those before it
            assert list(piece.before) == handed
            handed = []
        size = prefix.tokens(lengths, [replace(piece, before=())])
        assert len(piece.rows) == 1 or size <= most
    assert not handed
    plain = prefix.pieces(lengths, [NONE] * len(own), (), most)
    more = OVERHEAD * (len(made) - len(plain))
    assert prefix.tokens(lengths, made) <= prefix.tokens(lengths, plain) + max(0, -more) + 8 * 16


def test_a_system_prompt_of_all_rows() -> None:
    (piece,) = prefix.pieces([195] * 8, [0] * 8, (150,), 4096)
    assert piece == Piece(tuple(range(8)), 150)
    assert prefix.tokens([195] * 8, [piece]) == 150 + 8 * 48


def test_what_is_too_short_to_pay_is_not_shared() -> None:
    assert all(not p.prefix for p in prefix.pieces([45] * 8, [2] * 8, PREFIXES, 4096))
    assert all(not p.prefix for p in prefix.pieces([195, 195], [0, NONE], (150,), 4096))


def test_a_row_that_is_cut_off_shares_what_is_left_of_it() -> None:
    (piece,) = prefix.pieces([120] * 8, [0] * 8, (150,), 4096)
    assert piece.prefix == 118
