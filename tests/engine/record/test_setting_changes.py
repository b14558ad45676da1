"""What was changed for a resume, and which resumes a record still shows."""

from __future__ import annotations

from typing import Any

from farense_worker.protocol.messages.events import Phase, RunStarted
from farense_worker.protocol.settings import recipe
from farense_worker.protocol.settings.profile import Config, Run, replace_setting
from hypothesis import given
from hypothesis import strategies as st

from farense_tui.engine.record import setting_changes
from farense_tui.engine.record.setting_changes import Change, Resume
from farense_tui.engine.record.state import fold
from farense_tui.engine.record.superseded import owners
from tests.events import started, step


def worker(after: int, ranks: int = 1, **settings: Any) -> RunStarted:
    told = {f"train.{name}": value for name, value in settings.items()}
    return started(after, ranks=ranks, settings=told)


def test_what_was_changed_is_told_in_a_few_words() -> None:
    before = worker(0, learning_rate=2e-4, grad_checkpoint=False, trackers=[], batch_size=4)
    after = worker(5, 2, learning_rate=1e-4, grad_checkpoint=True, trackers=["wandb"], batch_size=4)
    assert setting_changes.resumes([before, after]) == (
        Resume(
            5,
            (
                Change("train.learning_rate", 2e-4, 1e-4),
                Change("train.grad_checkpoint", False, True),
                Change("train.trackers", [], ["wandb"]),
                Change("ranks", 1, 2),
            ),
        ),
    )
    (resume,) = setting_changes.resumes([before, after])
    assert resume.words == (
        "learning_rate 0.0002 → 0.0001, grad_checkpoint off → on, trackers  → wandb, ranks 1 → 2"
    )


def test_words_of_a_record_are_cleaned_and_cut() -> None:
    change = Change("report.prompts", ["\x1b[31m" + "a" * 99], [])
    assert "\x1b" not in str(change)
    assert len(str(change)) < 50


def test_a_record_without_settings_tells_of_no_change() -> None:
    assert setting_changes.resumes([worker(0), worker(5, learning_rate=1e-4)]) == (Resume(5),)


def test_a_mark_is_against_the_worker_whose_steps_stand_before_it() -> None:
    workers = [
        worker(0, learning_rate=4.0),
        worker(500, learning_rate=2.0),
        worker(150, learning_rate=2.0),  # rewound: nothing of the second is left
        worker(150, learning_rate=1.0),  # nor of the third, which did not take a step
    ]
    found = setting_changes.resumes(workers)
    assert found == (Resume(150, (Change("train.learning_rate", 4.0, 1.0),)),)


@given(st.lists(st.integers(0, 20)))
def test_owners_come_in_rising_steps(steps: list[int]) -> None:
    left = [each.resumed_from_step for each in owners(map(worker, steps))]
    assert left == sorted(set(left))
    assert left[-1:] == steps[-1:]


def test_what_run_started_tells_is_what_a_resume_may_change() -> None:
    config = Config(run=Run(name="x"))
    told = recipe.steerable(config)
    assert not set(told) & set(recipe.FIXED)
    assert set(recipe.TOLD) < set(told)
    other = recipe.steerable(replace_setting(config, "memory.critical", 0.5))
    assert {name for name in told if told[name] != other[name]} == {"memory.critical"}


def test_a_rollback_is_no_resume() -> None:
    """The same process goes on; one that is started again has a first phase of its own."""
    first = [Phase(name="starting", seq=1), started(seq=2), step(1), step(2), started(1, seq=5)]
    state = fold([*first, step(2), Phase(name="starting", seq=7), started(2, seq=8), step(3)])
    assert (len(state.segments), state.workers) == (3, 2)
    found = setting_changes.resumes(state.segments, state.rollbacks)
    assert [(each.step, each.title, each.sign) for each in found] == [
        (1, "rolled back", "«"),
        (2, "resumed", "┊"),
    ]
