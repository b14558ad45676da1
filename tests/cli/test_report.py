"""What `train` and `resume` say of the report."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from farense_worker.protocol import whole_folder
from farense_worker.protocol.errors import ExitCode
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.cli import main
from farense_tui.cli.running.headless import Interrupts, settle
from farense_tui.engine.runs.supervisor import Worker
from tests.real_runs import RunMaker
from tests.waiting import until


def test_the_shell_is_told_where_it_is(
    make_run: RunMaker, capfd: pytest.CaptureFixture[str]
) -> None:
    run = make_run("told", report__at_end=True)
    runs_dir = ["--runs-dir", str(run.path.parent)]
    assert main(["resume", "told", *runs_dir]) == ExitCode.DONE
    assert capfd.readouterr().out.splitlines()[-1].startswith("report: ")
    assert (run.path / "report.html").is_file()


INTERRUPTS = Interrupts()


class _Impatient(Worker):
    """One whose user presses Ctrl-C as soon as anybody waits for what follows it."""

    def is_over(self) -> bool:
        INTERRUPTS.count += 1
        return super().is_over()


def test_a_run_is_over_once_its_trackers_and_its_report_are(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, bufsize=0) as tracker:
        worker = Worker(RunFolder(tmp_path), ended, (tracker,))
        assert not worker.is_over()
        settle(_Impatient(worker.folder, ended, (tracker,)), INTERRUPTS)
        assert "still goes on" in capfd.readouterr().err
        assert tracker.stdin is not None
        tracker.stdin.close()
        until(worker.is_over)
    held = whole_folder.taken(tmp_path)
    assert held is not None
    assert not worker.is_over()
    os.close(held)
    settle(worker, Interrupts())
    assert worker.is_over()
    assert capfd.readouterr().err == ""
