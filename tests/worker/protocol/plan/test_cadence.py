"""How often a run validates and saves."""

from __future__ import annotations

from farense_worker.protocol.plan import cadence
from farense_worker.protocol.settings.profile import CheckpointSettings, Report
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(1, 1000), st.integers(0, 20), st.integers(1, 5000))
def test_a_short_run_does_it_more_often(every: int, at_least: int, total: int) -> None:
    steps = cadence.validate_every(Report(eval_every=every, eval_at_least=at_least), total)
    assert steps == cadence.save_every(CheckpointSettings(every=every, at_least=at_least), total)
    assert 1 <= steps <= every
    if total >= every * at_least:
        assert steps == every
    assert total // steps >= min(at_least, total)


def test_thirty_steps_of_the_built_in_profiles() -> None:
    assert cadence.validate_every(Report(), 30) == 7
    assert cadence.save_every(CheckpointSettings(), 30) == 7
    assert cadence.save_every(CheckpointSettings(), 3000) == 200
