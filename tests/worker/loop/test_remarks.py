"""What settings come to otherwise than one would think is told before the first step."""

from __future__ import annotations

from typing import Any

import pytest
from farense_worker.loop.start import remarks
from farense_worker.protocol.settings.profile import Config, Report, Run, Train


def told(steps: int, *, validates: bool = True, every: int = 10, **train: Any) -> list[str]:
    settings = Train(**{"warmup_steps": 0, **train})
    report = Report(eval_every=every, eval_at_least=0)
    config = Config(run=Run(name="x"), train=settings, report=report)
    return [each.message for each in remarks.of(config, steps, validates=validates)]


@pytest.mark.parametrize(
    ("patience", "steps", "validates", "said"),
    [
        (0, 10, False, ""),
        (3, 50, True, ""),  # after the first and three more there is a fifth
        (3, 41, True, ""),  # which may be of the last step alone
        (3, 40, True, "validates 4 times"),
        (1, 20, True, "validates 2 times"),
        (1, 5, True, "validates 1 time"),
        (3, 500, False, "there is no validation set"),
    ],
)
def test_a_patience_that_ends_no_run_is_told(
    patience: int, steps: int, validates: bool, said: str
) -> None:
    found = told(steps, validates=validates, early_stopping=patience)
    assert [said in each for each in found] == ([True] if said else [])


@pytest.mark.parametrize(
    ("warmup", "cap", "said"),
    [(3, 0.1, ""), (100, 0.1, "grows for 4 of 40 steps"), (100, 0.0, "ends before its warm-up")],
)
def test_a_warm_up_that_is_too_long_is_told(warmup: int, cap: float, said: str) -> None:
    found = told(40, warmup_steps=warmup, warmup_cap=cap)
    assert [said in each for each in found] == ([True] if said else [])
