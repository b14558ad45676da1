"""What rows begin with alike is found in their tokens, whatever it is."""

from __future__ import annotations

import numpy as np
from farense_worker.data import shared_prefix
from farense_worker.data.examples import Builder, Examples
from farense_worker.data.labels import Encoded

SYSTEM, TURN, CONVERSATIONS = 50, 40, 20


def conversations() -> Examples:
    """A row for each of three turns: [u1 a1], [u1 a1 u2 a2], ... under one system prompt."""
    rng, builder = np.random.default_rng(0), Builder(1000)
    system = list(range(1000, 1000 + SYSTEM))
    for number in range(CONVERSATIONS):
        turns = [number, *rng.integers(100, 900, 3 * TURN - 1).tolist()]
        for n in (1, 2, 3):
            tokens = system + turns[: n * TURN]
            builder.add(Encoded(tokens, ((len(tokens) - TURN // 2, len(tokens)),)))
    return builder.build()


def test_rows_that_continue_each_other_share_their_system_prompt_in_a_step() -> None:
    """Of a conversation there is seldom more than one row among the few of a step."""
    found = shared_prefix.find(conversations(), 8)
    assert found.lengths == (SYSTEM,)
    assert not found.of_row.any()


def test_rows_that_continue_each_other_share_their_first_turns_in_a_validation() -> None:
    found = shared_prefix.find(conversations(), shared_prefix.AT_ONCE)
    assert found.lengths == (SYSTEM + TURN - 2,) * CONVERSATIONS
    assert [len(found.rows(group)) for group in range(len(found))] == [3] * CONVERSATIONS


def test_one_row_and_rows_with_nothing_in_common_share_nothing() -> None:
    builder = Builder(100)
    for first in range(4):
        builder.add(Encoded([first, 7, 7, 7], ((2, 4),)))
        assert len(shared_prefix.find(builder.build(), 8)) == 0
