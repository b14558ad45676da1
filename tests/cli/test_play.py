"""`demo` and `replay` without a terminal."""

from __future__ import annotations

from pathlib import Path

from farense_worker.protocol.errors import ExitCode
from farense_worker.protocol.simulation import SCENARIOS

from tests.cli.conftest import Start


def test_a_scenario_is_told_in_lines_and_leaves_nothing(start: Start, tmp_path: Path) -> None:
    process = start("demo", "ok", "--speed", "2000")
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (ExitCode.DONE, "")
    assert "completed at step 600" in out
    assert not list(tmp_path.iterdir())


def test_a_scenario_that_fails_says_so(start: Start) -> None:
    process = start("demo", "oom", "--speed", "2000")
    _, err = process.communicate(timeout=300)
    assert process.returncode == ExitCode.FAILED
    assert "the GPU ran out of memory" in err


def test_a_kept_run_can_be_replayed(start: Start, tmp_path: Path) -> None:
    start("demo", "nan", "--speed", "2000", "--runs-dir", "runs").communicate(timeout=300)
    process = start("replay", "runs/demo-nan/events.jsonl", "--speed", "2000")
    out, _ = process.communicate(timeout=300)
    assert process.returncode == ExitCode.FAILED  # as the run that is played
    assert "A replay at 2000 times the speed: nothing is being trained." in out
    assert "rollbacks are left" in out
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["demo-nan"]


def test_help_lists_the_scenarios(start: Start) -> None:
    out, _ = start("demo", "--help").communicate(timeout=300)
    for name, about in SCENARIOS.items():
        assert name in out
        assert about in out


def test_nonsense_is_refused(start: Start) -> None:
    for args in (["demo", "nonsense"], ["demo", "ok", "--speed", "-1"], ["replay", "nowhere"]):
        process = start(*args)
        process.communicate(timeout=300)
        assert process.returncode == ExitCode.REFUSED
