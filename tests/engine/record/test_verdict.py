"""What a run came to."""

from __future__ import annotations

import pytest

from farense_tui.engine.record.state import fold
from farense_tui.engine.record.verdict import Kind, still_falls, verdict
from tests.events import started, step, validation


@pytest.mark.parametrize(
    ("losses", "kind"),
    [
        ([], "unknown"),
        ([(0, 2.0)], "unknown"),
        ([(0, 2.0), (5, 1.0), (10, 0.5)], "learnt"),
        ([(0, 2.0), (5, 1.0), (10, 1.02)], "learnt"),  # no more than chance
        ([(0, 2.0), (5, 1.0), (10, 1.2)], "overfitted"),
        ([(0, 2.0), (5, 2.4), (10, 2.2)], "unlearnt"),
        ([(5, 2.4), (10, 2.2)], "learnt"),  # how the model was before is not known
    ],
)
def test_the_kinds(losses: list[tuple[int, float]], kind: Kind) -> None:
    state = fold([started(), step(1), *(validation(at, loss) for at, loss in losses)])
    assert verdict(state).kind == kind


def test_a_training_loss_that_rose_with_them_is_no_overfitting() -> None:
    def came_to(after: float) -> Kind:
        steps = [step(at, loss=1.0 if at <= 20 else after) for at in range(1, 41)]
        ends = [validation(0, 2.0), *steps[:20], validation(20, 1.0), *steps[20:]]
        return verdict(fold([started(), *ends, validation(40, 3.0)])).kind

    assert [came_to(after) for after in (0.5, 1.1, 2.5)] == ["overfitted", "overfitted", "diverged"]


@pytest.mark.parametrize(
    ("losses", "falls"),
    [
        ([(0, 9.0), (5, 1.0)], False),  # nothing but the first
        ([(0, 9.0), (5, 2.0), (10, 1.5)], True),
        ([(0, 9.0), (5, 1.51), (10, 1.5)], False),  # no more than chance
        ([(0, 9.0), (5, 1.0), (10, 1.5)], False),
    ],
)
def test_whether_it_was_still_getting_better(losses: list[tuple[int, float]], falls: bool) -> None:
    state = fold([started(), *(validation(at, loss) for at, loss in losses)])
    assert still_falls(state) == falls


def test_what_an_overfitted_run_has_done_in_vain() -> None:
    found = verdict(fold([started(), validation(0, 2.0), validation(5, 1.0), validation(15, 3.0)]))
    assert found.best
    assert (found.best.step, found.steps_in_vain, found.epochs_needed) == (5, 10, 1)
