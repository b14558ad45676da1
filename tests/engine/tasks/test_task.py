"""Tasks in real worker processes: their ends, whatever these are."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.messages.evaluation import Candidate, Report, Request

from farense_tui.engine.tasks import task

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


def test_a_task_that_is_stopped_before_it_starts_ends_at_once() -> None:
    stop = task.Stop()
    thread = threading.Thread(target=stop.ask)
    thread.start()
    thread.join()
    with pytest.raises(FarenseError):
        task.result_of("evaluate", NOWHERE, Report, stop=stop)


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
