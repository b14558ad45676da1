"""What the tests of the command line share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Following a run takes Ctrl-C over; the test session wants it back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `farense-tui` with these arguments in a process group of its own, as a shell does."""
    started: list[subprocess.Popen[str]] = []

    def start_(*args: str, cwd: Path = tmp_path) -> subprocess.Popen[str]:
        environment = {k: v for k, v in os.environ.items() if k != "FARENSE_RUNS"}
        process = subprocess.Popen(
            [sys.executable, "-m", "farense_tui", *args],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start_
    for process in started:
        process.kill()
        with process:  # closes its pipes, waits for its end
            pass
