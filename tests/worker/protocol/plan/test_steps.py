"""The steps of a run: every epoch goes through every row once."""

from __future__ import annotations

import pytest
from farense_worker.protocol.plan import steps
from farense_worker.protocol.plan.steps import Position
from farense_worker.protocol.settings.profile import Profile, replace_setting
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 5))
def test_an_epoch_goes_through_every_example_once(count: int, batch: int, epoch: int) -> None:
    each = steps.per_epoch(count, batch)
    drawn = [
        row
        for index in range(each)
        for row in steps.draw(Position(epoch, index), count, batch, seed=3)
    ]
    assert sorted(drawn) == list(range(count))


def test_epochs_and_seeds_have_their_own_order() -> None:
    orders = {
        tuple(steps.draw(Position(epoch, 0), 50, 50, seed)) for epoch in (0, 1) for seed in (1, 2)
    }
    assert len(orders) == 4


@given(st.integers(1, 1000), st.integers(1, 50))
def test_the_position_follows_from_the_step(step: int, per_epoch: int) -> None:
    at = steps.position(step, per_epoch)
    assert at.epoch * per_epoch + at.index + 1 == step
    assert 0 <= at.index < per_epoch


@pytest.mark.parametrize(
    ("how", "gpu", "compiled"),
    [("on", False, True), ("off", True, False), ("auto", True, True), ("auto", False, False)],
)
def test_auto_compiles_on_a_gpu(how: str, gpu: bool, compiled: bool) -> None:
    assert steps.compiled(replace_setting(Profile(), "train.compile", how), gpu=gpu) is compiled
