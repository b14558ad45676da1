"""A wait is no work: what takes time while a run is paused is not counted as a duty's own."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from farense_worker.loop import saving
from farense_worker.loop.run import Run


def test_a_pause_stops_the_clock_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    asked = SimpleNamespace(stop=False, pause=True, save=False)

    def sleep(_seconds: float) -> None:
        now[0] += 60.0
        asked.pause = False

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(time, "sleep", sleep)
    run: Any = SimpleNamespace(
        control=SimpleNamespace(asked=asked, resume=lambda: None, agree=lambda add: None),
        output=SimpleNamespace(enter=lambda phase: None),
        ranks=SimpleNamespace(add=lambda *flags: list(flags)),
        custody=SimpleNamespace(lost=lambda: None),
        short=None,
        waited=0.0,
    )
    began = Run.worked(run)
    now[0] += 1.0
    saving.pause(run)
    now[0] += 2.0
    assert Run.worked(run) - began == 3.0
