"""The fold: what a run's events come to, resumes included."""

from __future__ import annotations

import math

import pytest
from farense_worker.protocol.messages import events as e
from farense_worker.protocol.settings.profile import Report
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from farense_tui.engine.record.state import RunState, fold
from farense_tui.engine.record.time_left import remaining_seconds
from tests.events import started, step, validation


def test_a_resume_supersedes_what_was_not_checkpointed() -> None:
    first = [e.Phase(name="starting"), started(), *(step(n, loss=5.0) for n in range(1, 8))]
    killed = [*first, validation(5, 1.0), validation(6, 0.1)]
    resumed = [e.Phase(name="starting"), started(5), *(step(n, loss=4.0) for n in range(6, 9))]
    state = fold([*killed, *resumed])
    assert list(state.loss) == [(n, 5.0) for n in range(1, 6)] + [(n, 4.0) for n in range(6, 9)]
    assert state.tokens == 800
    assert [v.step for v in state.validations] == [5]
    assert state.best is not None
    assert state.best.step == 5
    assert state.step == 8
    assert len(state.segments) == 2


def test_a_validation_done_again_counts_once() -> None:
    state = fold([started(), validation(0, 9.0), validation(5, 2.0), validation(5, 2.5)])
    assert [(v.step, v.loss) for v in state.validations] == [(0, 9.0), (5, 2.5)]
    assert list(state.validation_loss) == [(0, 9.0), (5, 2.5)]


def test_the_untrained_model_is_never_the_best() -> None:
    assert fold([started(), validation(0, 0.1)]).best is None
    best = fold([started(), validation(0, 0.1), validation(5, 3.0), validation(9, None)]).best
    assert best is not None
    assert best.step == 5


def test_a_number_that_is_not_finite_stays_visible() -> None:
    state = fold([started(), step(1), e.decode(e.encode(step(2, grad_norm=None))) or step(2)])
    assert math.isnan(state.grad_norm.last or 0.0)


def test_the_end_and_a_new_start() -> None:
    ended = fold([started(), step(1), e.RunStopped(reason="stopped", step=1)])
    assert (ended.status, ended.ended) == ("stopped", True)
    failed = fold([e.RunFailed(kind="memory", title="t", detail="d", hint="h", step=1)], ended)
    assert failed.failure is not None
    again = fold([e.Phase(name="starting")], failed)
    assert (again.status, again.failure, again.phase) == ("running", None, "starting")


def test_time_left_counts_steps_and_validations() -> None:
    state = fold([started(), validation(0, 9.0), *(step(n) for n in range(1, 11))])
    # 10 steps of 2 s, and the validations at 10, 15 and 20 of 3 s: the first has not been told
    assert remaining_seconds(state, Report(eval_every=5, eval_at_least=0)) == 10 * 2.0 + 3 * 3.0
    assert remaining_seconds(RunState(), Report(eval_every=5, eval_at_least=0)) is None
    # one that was paused meanwhile says nothing of those to come
    paused = replace(validation(10, 0.5), seconds=90.0)
    state = fold([started(), validation(0, 9.0), validation(5, 1.0), paused, step(10)])
    assert remaining_seconds(state, Report(eval_every=5, eval_at_least=0)) == 10 * 2.0 + 2 * 3.0
    done = fold([started(), *(step(n) for n in range(1, 21))])
    assert remaining_seconds(done, Report(eval_every=5, eval_at_least=0)) == 0
    # the last step is done, its validation is not
    last = fold([started(), validation(0, 9.0), *(step(n) for n in range(1, 21))])
    assert remaining_seconds(last, Report(eval_every=5, eval_at_least=0)) == 3.0
    done = fold([validation(20, 0.5)], last)
    assert remaining_seconds(done, Report(eval_every=5, eval_at_least=0)) == 0


def test_a_rollback_is_no_other_worker() -> None:
    begun = [e.Phase(name="starting", seq=1), started(seq=2), step(1, seq=3), step(2, seq=4)]
    rolled_back = fold([*begun, started(1, seq=5), started(0, seq=6)])
    assert rolled_back.workers == 1
    again = [e.Phase(name="starting", seq=7), e.Phase(name="starting", seq=8), started(1, seq=9)]
    assert fold(again, rolled_back).workers == 2


def test_a_resume_keeps_the_figures_of_the_steps_that_are_left() -> None:
    first = [started(), *(step(n, peak_memory=900) for n in range(1, 8))]
    again = [e.Phase(name="starting"), started(4)]
    state = fold([*first, *again])
    assert state.step == 4
    assert state.epoch == pytest.approx(0.4)
    assert state.loss.last == 1 / 4
    assert (state.tokens, state.active_seconds, state.usual_speed) == (400, 8.0, 50.0)
    # the gauge shows the living worker's peak, a report the run's
    state = fold([step(5, peak_memory=300)], state)
    assert (state.peak_memory, state.highest_peak) == (300, 900)
    assert RunState().usual_speed is None


any_step = st.builds(step, st.integers(1, 30), loss=st.floats(0, 1e3, allow_nan=False))
any_event = st.one_of(
    any_step,
    st.builds(started, st.integers(0, 30)),
    st.builds(validation, st.integers(0, 30), st.floats(0, 10)),
    st.builds(lambda name: e.Phase(name=name), st.sampled_from(["starting", "training", "paused"])),
    st.builds(lambda at: e.RunStopped(reason="stopped", step=at), st.integers(0, 30)),
)


@given(st.lists(any_event, max_size=60), st.integers(0, 60))
def test_the_fold_can_be_cut_anywhere(events: list[e.Event], at: int) -> None:
    assert fold(events[at:], fold(events[:at])) == fold(events)


@given(st.lists(any_event, max_size=60))
def test_a_series_has_each_step_once_and_in_order(events: list[e.Event]) -> None:
    steps = [number for number, _ in fold(events).loss]
    assert steps == sorted(set(steps))
