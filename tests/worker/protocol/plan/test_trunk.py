"""The frozen trunk: how its layers are grouped, and why it is not stored."""

from __future__ import annotations

from farense_worker.protocol.plan import trunk
from farense_worker.protocol.plan.memory import GIB
from farense_worker.protocol.settings.profile import Profile, replace_setting


def test_layers_are_grouped_by_what_their_weights_take() -> None:
    assert list(trunk.groups([8] * 5, 40)) == [(0, 5)]
    assert list(trunk.groups([8] * 5, 16)) == [(0, 2), (2, 4), (4, 5)]
    assert list(trunk.groups([8] * 5, 0)) == [(at, at + 1) for at in range(5)]


def test_nothing_speaks_against_what_is_stored_already() -> None:
    profile = replace_setting(Profile(), "lora.num_layers", 4)
    assert trunk.frozen(profile, 6) == 2
    assert trunk.frozen(profile, 3) == 0
    assert trunk.objection(profile, 2, 1 * GIB, 2 * GIB) == ""
    assert trunk.objection(profile, 2, 1 * GIB, None) == ""
    assert "free on the disk" in trunk.objection(profile, 2, 1 * GIB, 2 * GIB - 2)
    assert trunk.objection(profile, 2, 0, 0) == ""
    assert "several ranks" in trunk.objection(profile, 2, 0, 0, ranks=2)
