"""What a worker starts at its end, and that nothing of it comes back to the run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from farense_worker.process import afterwards
from farense_worker.protocol import whole_folder
from farense_worker.protocol.errors import ExitCode

from tests.waiting import until


def leave(monkeypatch: pytest.MonkeyPatch, *command: str) -> None:
    monkeypatch.setenv(afterwards.COMMAND, json.dumps(command))


def test_it_is_started_and_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    go = tmp_path / "go"
    code = (
        "import os, pathlib, sys, time\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.01)\n"
        f"pathlib.Path({str(seen)!r}).write_text(str({afterwards.COMMAND!r} in os.environ))\n"
    )
    leave(monkeypatch, sys.executable, "-c", code)
    afterwards.start(ExitCode.DONE, tmp_path)
    assert not seen.exists()  # it waits for `go`, and we are here already
    assert not whole_folder.is_free(tmp_path)  # so whoever wants it can wait for it
    go.touch()
    until(lambda: seen.exists() and seen.read_text())
    until(lambda: whole_folder.is_free(tmp_path))
    assert seen.read_text() == "False"  # a worker that it starts would not do it again


def test_of_no_signal_does_a_worker_end_that_has_done_all() -> None:
    """Nor does it hand on that it ignores them: the report may be ended."""
    code = (
        "import os, signal, subprocess, sys\n"
        "from farense_worker.process.signals import Control, heed_none\n"
        "Control().install()\n"
        "heed_none()\n"
        "spare = {signal.SIGKILL, signal.SIGSTOP, signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS,"
        " signal.SIGFPE, signal.SIGILL, signal.SIGTRAP}\n"
        "for number in signal.valid_signals() - spare: os.kill(os.getpid(), number)\n"
        "end = 'import os, signal; os.kill(os.getpid(), signal.SIGTERM)'\n"
        "sys.exit(subprocess.run([sys.executable, '-c', end]).returncode != -signal.SIGTERM)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL, check=False)
    assert done.returncode == 0


def test_signals_of_the_last_moments_change_nothing() -> None:
    """Python takes its handlers down while it ends; what is slow to end makes that long."""
    code = (
        "import sys, time\n"
        "from farense_worker.process import afterwards\n"
        "from farense_worker.process.signals import Control\n"
        "class Slow:\n"
        "    def __del__(self): time.sleep(0.3)\n"
        "kept = [Slow() for _ in range(3)]\n"
        "Control().install()\n"
        "print('up', flush=True)\n"
        "time.sleep(0.05)\n"
        "afterwards.leave(130)\n"
    )
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as leaving:
            assert leaving.stdout is not None
            leaving.stdout.readline()
            while leaving.poll() is None:
                leaving.send_signal(number)
            assert leaving.returncode == 130, number


@pytest.mark.parametrize("code", [ExitCode.REFUSED, ExitCode.USAGE])
def test_a_run_that_was_refused_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, code: int
) -> None:
    leave(monkeypatch, "/nowhere/program")
    afterwards.start(code, tmp_path)
    assert capfd.readouterr().err == ""


def test_a_command_that_is_none_is_told_in_the_log(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    leave(monkeypatch, "/nowhere/program")
    afterwards.start(ExitCode.DONE, tmp_path)
    assert "not started afterwards" in capfd.readouterr().err
    monkeypatch.setenv(afterwards.COMMAND, "{")
    afterwards.start(ExitCode.DONE, tmp_path)
    assert "not started afterwards" in capfd.readouterr().err
