"""Tasks in real worker processes: their ends, whatever these are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import psutil
import pytest
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.messages.evaluation import Candidate, Report, Request
from farense_worker.protocol.processes import leash
from farense_worker.protocol.processes.programs import environment, temporary_folder

from farense_tui.engine.tasks import task
from tests.waiting import is_dead, until

NOWHERE = Request(candidates=(Candidate("/nowhere/model"),), data="/nowhere")


def test_a_refusal_comes_whole() -> None:
    with pytest.raises(FarenseError, match="there is no test set") as caught:
        task.result_of("evaluate", NOWHERE, Report)
    assert caught.value.kind == "data"
    assert caught.value.exit_code == ExitCode.REFUSED
    assert "/nowhere/test.jsonl" in caught.value.detail


def test_an_unknown_task_is_told_with_the_worker_s_words() -> None:
    with pytest.raises(FarenseError, match="without a result") as caught:
        task.result_of("nonsense", NOWHERE, Report)
    assert "usage: python -m farense_worker.tasks" in caught.value.detail


def test_what_killed_a_task_is_told() -> None:
    with task.Task("evaluate", NOWHERE, Report) as started:
        os.kill(started.pid, signal.SIGSTOP)  # it has not answered yet, and will not
        os.kill(started.pid, signal.SIGXCPU)
        os.kill(started.pid, signal.SIGCONT)
        with pytest.raises(FarenseError, match="without a result") as caught:
            started.listen()
    assert "SIGXCPU" in caught.value.detail
    assert "ulimit -t" in caught.value.detail


def test_a_task_that_is_stopped_before_it_starts_ends_at_once() -> None:
    stop = task.Stop()
    thread = threading.Thread(target=stop.ask)
    thread.start()
    thread.join()
    with pytest.raises(FarenseError):
        task.result_of("evaluate", NOWHERE, Report, stop=stop)


@pytest.mark.parametrize(("name", "awake"), [("evaluate", True), ("doctor", False)])
def test_a_long_task_keeps_the_machine_awake(
    name: str, awake: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    monkeypatch.setattr(task, "keep_awake", held.append)
    with task.Task(name, NOWHERE, Report) as started:
        assert held == ([started._process.pid] if awake else [])
        environ = until(psutil.Process(started.pid).environ)  # empty while the program begins
        assert environ[leash.PARENT] == str(os.getpid())


def test_a_task_ends_with_whoever_asked_for_it(micro: Path) -> None:
    """The models of a conversation would stay in memory for ever, a long computation go on."""
    code = (
        "import os, signal\n"
        "from farense_tui.engine.tasks.ask import Conversation, Setup\n"
        f"asked = Conversation(Setup({str(micro)!r}))\n"
        "asked.ready()\n"
        "print(asked._process.pid, os.dup(asked._process.stdin.fileno()), flush=True)\n"
        "child = os.fork()\n"  # holds the task's stdin open, so that its end does not tell
        "signal.pause() if not child else os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as asking:
        assert asking.stdout is not None
        pid = int(asking.stdout.readline().split()[0])
        try:
            until(lambda: is_dead(pid))
        finally:
            os.killpg(asking.pid, signal.SIGKILL)


def test_a_request_that_is_none_is_a_failure_and_no_traceback_on_stdout() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "farense_worker.tasks", "evaluate"],
        input=b"{}",
        capture_output=True,
        check=False,
    )
    assert done.returncode == ExitCode.FAILED
    assert done.stdout.startswith(b'{"type":"error"')
    assert done.stdout.count(b"\n") == 1


def test_a_tmpdir_that_is_not_there_is_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("TMPDIR", "/nowhere")
    assert Path(environment()["TMPDIR"]).is_dir()
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._candidate_tempdir_list", list)
    for made in (environment, temporary_folder):
        with pytest.raises(FarenseError, match="no folder for temporary files"):
            made()


def test_what_the_system_refuses_is_told_without_a_traceback() -> None:
    code = (
        "import sys; from farense_worker.tasks.__main__ import _failed;"
        "sys.exit(_failed(OSError(27, 'File too large')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    failure = msgspec.json.decode(done.stdout)
    assert (done.returncode, failure["title"]) == (1, "the system refused")
    assert failure["detail"] == "File too large"
