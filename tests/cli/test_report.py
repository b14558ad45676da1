"""What `train` and `resume` say of the report."""

from __future__ import annotations

import pytest
from farense_worker.protocol.errors import ExitCode

from farense_tui.cli import main
from tests.real_runs import RunMaker


def test_the_shell_is_told_where_it_is(
    make_run: RunMaker, capfd: pytest.CaptureFixture[str]
) -> None:
    run = make_run("told", report__at_end=True)
    runs_dir = ["--runs-dir", str(run.path.parent)]
    assert main(["resume", "told", *runs_dir]) == ExitCode.DONE
    assert capfd.readouterr().out.splitlines()[-1].startswith("report: ")
    assert (run.path / "report.html").is_file()
