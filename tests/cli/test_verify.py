"""`farense-tui verify`, as a user sees it; what it checks is tested where it is checked."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest
from farense_worker.protocol.errors import ExitCode

from farense_tui.cli import main
from farense_tui.engine.machine import measured
from farense_tui.engine.verify import verify
from farense_tui.engine.verify.row import Row
from tests.waiting import is_dead, until

GOOD = Row("memory", "peak_long", "peak, 2 rows", "≤ 1 GiB", "0.9 GiB", "holds", "more of it")
BAD = Row("speed", "first_step", "a check", "1", "\x1b[31m2", "fails", raw="$ vm_stat\nMach\n")
TOLD = Row("speed", "arithmetic_floats", "speed", "—", "9", "told", figures={"flops": 9e9})


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))


def told(patch: pytest.MonkeyPatch, *rows: Row, end: type[BaseException] | None = None) -> None:
    """Have these rows come out."""

    def found(_model: str, **_how: object) -> Generator[Row]:
        yield from rows
        if end:
            raise end

    patch.setattr(verify, "rows", found)


def test_the_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    told(monkeypatch, GOOD, TOLD)
    assert main(["verify"]) == ExitCode.DONE
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0] == "memory"
    assert lines[1].split() == ["✓", "holds", "peak,", "2", "rows", "≤", "1", "GiB", "0.9", "GiB"]
    assert lines[2].strip() == "more of it"
    assert re.search(r"1 check holds, 0 fail; \d+ s", out)  # however busy the machine is


def test_what_fails_is_the_exit_code_and_no_escape_code_comes_through(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told(monkeypatch, GOOD, BAD)
    assert main(["verify", "--bench"]) == ExitCode.FAILED
    out = capsys.readouterr().out
    assert "✗ fails" in out
    assert "\x1b" not in out
    assert not measured.path().exists()  # nothing is forecast from what is wrong


def test_json_is_a_line_for_each_row_and_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    told(monkeypatch, GOOD, BAD)
    place = tmp_path / "there"
    assert main(["verify", "--json", "--to", str(place)]) == ExitCode.FAILED
    one, two, end = map(json.loads, capsys.readouterr().out.splitlines())
    assert (one["type"], one["name"], one["verdict"]) == ("row", "peak_long", "holds")
    assert two["raw"] == BAD.raw
    assert (end["type"], end["failed"], end["record"]) == ("verified", 1, str(place))
    assert (place / "readings" / "first_step.txt").read_text() == BAD.raw
    record = json.loads((place / "record.json").read_text())
    assert record["verdicts"] == {"peak_long": "holds", "first_step": "fails"}


def test_bench_is_kept_for_forecasts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told(monkeypatch, GOOD, TOLD)
    assert main(["verify", "--bench"]) == ExitCode.DONE
    assert str(measured.path()) in capsys.readouterr().out
    assert json.loads(measured.path().read_text())["speeds"]["floats"] == 9e9


def test_a_model_that_is_not_here_is_not_downloaded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--model", "nobody/nothing-4bit"]) == ExitCode.REFUSED
    assert "models download nobody/nothing-4bit" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "farense_tui", "verify", "--json"],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert process.stdout is not None
    process.stdout.readline()  # the first row: a worker is at it
    started = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    assert process.wait(120) == ExitCode.STOPPED
    assert not list((tmp_path / "home").rglob("verify-*"))
    until(lambda: all(is_dead(each.pid) for each in started))
    assert [path.name for path in temporary.glob("farense-*")] == []
