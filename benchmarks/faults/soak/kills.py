"""Kills of the worker, the app and both, at random moments, over every phase of a run."""

from __future__ import annotations

import contextlib
import os
import pty
import random
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from farense_worker.protocol.run_folder import RunFolder

from benchmarks.common import SETTINGS, write_data
from benchmarks.faults.soak.tally import Tally
from farense_tui.engine.runs import supervisor
from tests import micro_model
from tests.real_runs import RunMaker, finish, results, state_of

_LATEST = 0.1  # seconds after the chosen event
_PATIENCE = 120.0
_ROOT = Path(__file__).resolve().parents[3]
# Under nohup the app is meant to outlive a SIGHUP, so it is none of those that end it.
_GENTLE = tuple(
    each
    for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    if signal.getsignal(each) is not signal.SIG_IGN
)


def soak(place: Path, dice: random.Random, more: Callable[[], bool], tally: Tally) -> None:
    """While there is more: start, kill, resume, compare with the run that nobody killed."""
    make = RunMaker(place / "runs", micro_model.make(place / "model"), write_data(place / "data"))
    reference = make("reference", **SETTINGS)
    finish(reference)
    expected, lines = results(reference), reference.events.read_bytes().count(b"\n")
    number = 0
    while more():
        number += 1
        folder = make(f"run-{number}", **SETTINGS)
        for _again in range(1 + (dice.random() < 0.3)):
            once(folder, dice, lines, tally)
        folder.resume_step()
        if not ended(folder):
            finish(folder)
        wrong = [name for name, value in results(folder).items() if value != expected[name]]
        if wrong:
            tally.fail("different", f"{folder.path.name}: {', '.join(wrong)}")
        if folder.is_alive() or left(folder):
            tally.fail("left", f"{folder.path.name}: a process or a lock is left")
        tally.count("runs")


def once(folder: RunFolder, dice: random.Random, lines: int, tally: Tally) -> None:
    """Kill once, after a random line of the record."""
    victim = dice.choice(("worker", "worker", "app", "both"))
    if ended(folder):
        return
    before = count(folder)
    with contextlib.suppress(FileNotFoundError):
        (folder.path / "report.html").unlink()
    worker = supervisor.launch(folder)
    app = App(folder) if victim != "worker" else None
    after, late = before + dice.randrange(1, lines), dice.random() * _LATEST
    began = time.monotonic()
    while worker.poll() is None and count(folder) < after:
        time.sleep(0.001)
        if time.monotonic() - began > _PATIENCE:
            tally.fail("hangs", f"{folder.path.name}: no event for {_PATIENCE} s")
            break
    time.sleep(late)
    if victim != "app":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.process.pid, signal.SIGKILL)
    if app:
        how = dice.choice((signal.SIGKILL, *_GENTLE))
        if not app.end(how):
            tally.fail("terminal", f"{folder.path.name}: {how.name} leaves it changed")
    worker.wait()
    phase = state_of(folder).phase
    tally.count(f"kills of {victim}")
    tally.count(f"in {phase}" if victim != "app" else "worker unhurt")


def ended(folder: RunFolder) -> bool:
    return state_of(folder).status in ("completed", "early_stopping") and not folder.is_alive()


def count(folder: RunFolder) -> int:
    try:
        return folder.events.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def left(folder: RunFolder) -> bool:
    """Whether a process that names the run is there; the end's report may take a moment."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        words = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
        if not any(str(folder.path) in each for each in words):
            return False
        time.sleep(0.2)
    return True


class App:
    """The monitor of a run in a terminal of its own, which is read as fast as it writes."""

    def __init__(self, folder: RunFolder) -> None:
        self._screen, self._side = pty.openpty()
        self._before: Any = termios.tcgetattr(self._side)
        self.output = b""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "farense_tui", "attach", str(folder.path)],
            stdin=self._side,
            stdout=self._side,
            stderr=self._side,
            start_new_session=True,
            cwd=_ROOT,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while chunk := os.read(self._screen, 65536):
                self.output += chunk

    def end(self, how: signal.Signals) -> bool:
        """End it so; whether the terminal is as before, which SIGKILL leaves nobody time for."""
        self._process.send_signal(how)
        if how == signal.SIGUSR1 and self._process.poll() is None:
            time.sleep(0.2)
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return False
        time.sleep(0.1)
        same = termios.tcgetattr(self._side) == self._before
        opened, closed = self.output.count(b"\x1b[?1049h"), self.output.count(b"\x1b[?1049l")
        os.close(self._side)
        os.close(self._screen)
        return how == signal.SIGKILL or (same and opened <= closed)
