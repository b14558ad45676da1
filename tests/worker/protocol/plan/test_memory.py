"""What a run may take of a machine, at the bounds."""

from __future__ import annotations

import pytest
from farense_worker.protocol.plan import memory
from farense_worker.protocol.plan.memory import GIB
from farense_worker.protocol.settings.profile import Memory

SETTINGS = Memory(warning=0.5, critical=0.75)


@pytest.mark.parametrize(("own", "limit"), [(0.0, 10 * GIB), (2.0, 2 * GIB), (64.0, 10 * GIB)])
def test_a_limit_of_the_user_s_own_only_lowers_the_machine_s(own: float, limit: int) -> None:
    assert memory.limit(Memory(limit_gb=own), 10 * GIB) == limit


def test_weights_may_take_three_quarters_of_what_is_left_below_the_warning() -> None:
    assert memory.room(SETTINGS, 16 * GIB, 4 * GIB) == 3 * GIB
    assert memory.room(SETTINGS, 16 * GIB, 8 * GIB) == 0
    assert memory.room(SETTINGS, 16 * GIB, 12 * GIB) == 0


def test_at_its_share_of_the_limit_a_run_is_warned_and_ended() -> None:
    assert not memory.warns(SETTINGS, 16 * GIB, 8 * GIB - 1)
    assert memory.warns(SETTINGS, 16 * GIB, 8 * GIB)
    assert not memory.critical(SETTINGS, 16 * GIB, 12 * GIB - 1)
    assert memory.critical(SETTINGS, 16 * GIB, 12 * GIB)


def test_a_mac_swaps_where_four_gib_are_not_left() -> None:
    assert not memory.pages(8 * GIB, 4 * GIB)
    assert memory.pages(8 * GIB, 4 * GIB + 1)
    assert not memory.pages(0, 4 * GIB)
