"""The words in the head of the monitor, case by case."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from farense_tui.engine.runs.watch import Snapshot, Watch
from farense_tui.ui.monitor.outcome import outcome
from farense_tui.ui.monitor.run_view import RunView, clock_at, view
from tests.ui import recorded
from tests.ui.monitor_host import held
from tests.ui.recorded import Recording


def seen(run: Recording, after: float = 0.0, alive: bool = True) -> Snapshot:
    if not alive:
        return Watch(run.folder).look(run.time + after)
    with held(run.folder):
        return Watch(run.folder).look(run.time + after)


def head(run: Recording, after: float = 0.0, alive: bool = True) -> RunView:
    return view(seen(run, after, alive))


def test_training(tmp_path: Path) -> None:
    run = head(recorded.live(tmp_path))
    assert (run.word, run.step, run.total_steps, run.epochs) == ("training", 230, 600, 6)
    assert run.why == "2.0 steps a second"
    assert run.best_step == 200
    assert run.left


def test_elapsed_leaves_out_the_time_between_two_workers(tmp_path: Path) -> None:
    recording = recorded.live(tmp_path)
    wall = recording.time - recorded.START
    state = seen(recording).state
    assert wall - state.elapsed == pytest.approx(600, abs=1)


def test_a_step_that_takes_long_is_said(tmp_path: Path) -> None:
    run = head(recorded.live(tmp_path), after=8)
    assert run.why == "step 231 takes 8 s already, usually 0.5 s"


def test_silence_is_said(tmp_path: Path) -> None:
    run = head(recorded.live(tmp_path), after=14)
    assert run.why == "no sign of life from the worker for 14 s"


def test_the_first_step_and_what_comes_before_it(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    assert head(recording).why == "the worker is starting"
    recording.start()
    recording.phase("validating")
    assert head(recording, 3).why == "before the first step, for 3 s"
    recording.phase("training")
    assert head(recording, 5).why == "the first step is under way, for 5 s"


def test_the_headline_tells_where_the_losses_are_and_when_it_is_done(tmp_path: Path) -> None:
    run = head(recorded.live(tmp_path))
    assert (run.trend, run.validation, run.best_loss) == ("↓", run.best_loss, run.validation)
    assert run.loss is not None
    assert 0.35 < run.loss < 0.45  # a median: the last step's is 0.3754
    assert re.fullmatch(r"\d\d:\d\d", run.done_at)


def test_downloading_tells_how_far_it_is(tmp_path: Path) -> None:
    run = head(recorded.downloading(tmp_path))
    assert run.word == "downloading the model"
    assert run.progress == "312 MiB of 695 MiB"


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (recorded.completed, "completed"),
        (recorded.overfitted, "overfitted"),
        (recorded.failed, "failed"),
        (recorded.live, "killed"),
    ],
)
def test_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Recording], word: str
) -> None:
    monkeypatch.setattr("psutil.boot_time", lambda: 0.0)
    run = head(make(tmp_path), alive=False)
    assert (run.word, run.why, run.left) == (word, "", "")


def test_a_wish_is_said_before_all_else(tmp_path: Path) -> None:
    assert view(seen(recorded.live(tmp_path), after=60), "pausing").why == "pausing"


def test_a_long_record_is_read_bit_by_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farense_tui.engine.record.tail.Tail.read.__defaults__", (4096,))
    watch = Watch(recorded.completed(tmp_path).folder)
    first = watch.look(recorded.START, patience=0)
    assert 0 < first.read < 1
    assert view(first).word == "reading the record"
    assert outcome(first, None) is None
    assert watch.look(recorded.START).read == 1


@pytest.mark.parametrize(
    ("hours", "told"),
    [
        (0.5, "00:15"),
        (19, "18:45"),
        (27, "Tue 02:45"),
        (143, "Sat 22:45"),
        (150, "2026-12-06 05:45"),
    ],
)
def test_when_it_is_done_is_told_with_the_day_where_that_is_another(
    hours: float, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    try:
        assert clock_at(1_795_995_900.0, hours * 3600) == told  # a Sunday, 23:45
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("seconds", [1e300, -1e300, 1e308])
def test_no_moment_is_told_where_the_figures_give_none(tmp_path: Path, seconds: float) -> None:
    recording = recorded.live(tmp_path)
    for _step in range(100):
        recording.add(replace(recording.step_event(), seconds=seconds))
    run = head(recording)
    assert (run.left, run.done_at) == ("", "")
    assert run.elapsed
