"""The terminal is left as it was found, whatever ends the app. In real pseudo-terminals."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.runs import supervisor
from farense_tui.ui.terminal import _PATIENCE
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
# What must be off or on again at the end: alternate screen, cursor, mouse, paste, focus, keys.
SET_BACK = [
    b"\x1b[?1049l",
    b"\x1b[?25h",
    b"\x1b[?1000l",
    b"\x1b[?1003l",
    b"\x1b[?2004l",
    b"\x1b[<u",
]

APP = """
import functools, sys, time
from pathlib import Path
from farense_tui.ui import app
app.TerminalGuard = functools.partial(app.TerminalGuard, patience=float(sys.argv[2]))
class Faulty(app.FarenseApp):
    BINDINGS = [("X", "raise_", ""), ("Z", "hang", "")]
    def action_raise_(self): raise RuntimeError("on purpose")
    def action_hang(self): Path("hangs").touch(); time.sleep(600)
app.FarenseApp = Faulty
sys.exit(app.run_app(Path(sys.argv[1])))
"""


class Terminal:
    """The app in a pseudo-terminal of its own."""

    def __init__(
        self, runs_dir: Path, home: Path, *program: str, patience: float = _PATIENCE
    ) -> None:
        """Start `program`, without one APP, which waits so many seconds after a signal."""
        self.screen, self._app_side = pty.openpty()
        self.before = termios.tcgetattr(self._app_side)
        self.output = b""
        self.hangs = home / "hangs"
        kept = home / ".config" / "farense-tui"
        kept.mkdir(parents=True, exist_ok=True)
        (kept / "preferences.toml").write_text("welcomed = true\n")  # no first start
        self.process = subprocess.Popen(
            [sys.executable, *(program or ("-c", APP, str(runs_dir), str(patience)))],
            stdin=self._app_side,
            stdout=self._app_side,
            stderr=self._app_side,
            start_new_session=True,
            cwd=home,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "TERM": "xterm-256color",
                "COLUMNS": "120",
                "LINES": "36",
                "HOME": str(home),
                "XDG_CONFIG_HOME": str(home / ".config"),
            },
        )

    def read(self, seconds: float = 0.1) -> bool:
        """Read what has come; False at the end."""
        if not select.select([self.screen], [], [], seconds)[0]:
            return True
        try:
            new = os.read(self.screen, 65536)
        except OSError:
            return False
        self.output += new
        return bool(new)

    def wait_for(self, text: bytes, seconds: float = 120.0) -> None:
        self.until(lambda: text in self.output, seconds)

    def until(self, condition: Callable[[], object], seconds: float = 120.0) -> None:
        """Read on until something is so."""
        until(condition, seconds, meanwhile=self.read, found=lambda: self.output[-2000:])

    def press(self, key: bytes) -> None:
        os.write(self.screen, key)

    def hang(self) -> None:
        """Make the app's loop hang."""
        self.press(b"Z")
        self.until(self.hangs.exists)

    def end(self, seconds: float = 120.0) -> int:
        """Wait for the end of the app while reading on; the exit code."""
        self.until(lambda: self.process.poll() is not None, seconds)
        while select.select([self.screen], [], [], 0.1)[0] and self.read():
            pass
        return self.process.returncode

    def settings(self) -> list[Any]:
        return termios.tcgetattr(self._app_side)

    def vanish(self) -> None:
        """Go away without a signal, as a terminal does that is not the controlling one."""
        os.close(self._app_side)
        os.close(self.screen)
        self._app_side = self.screen = -1

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for descriptor in (self.screen, self._app_side):
            if descriptor >= 0:
                os.close(descriptor)


@pytest.fixture
def terminal(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    """A terminal with the app in it, at the launch screen; a parameter is the app's patience."""
    patience = getattr(request, "param", _PATIENCE)
    opened = Terminal(tmp_path / "runs", tmp_path, patience=patience)
    try:
        opened.wait_for(b"\x1b[?1049h")
        opened.wait_for(b"Longest row")
        assert opened.settings() != opened.before
        yield opened
    finally:
        opened.close()


def assert_as_before(terminal: Terminal) -> None:
    assert terminal.settings() == terminal.before
    for mode in SET_BACK:
        assert terminal.output.rfind(mode) > terminal.output.rfind(b"\x1b[?1049h"), mode
    assert terminal.output.rfind(b"\x1b[?25h") > terminal.output.rfind(b"\x1b[?25l")


def test_q_leaves_the_terminal_as_it_was(terminal: Terminal) -> None:
    terminal.press(b"q")
    assert terminal.end() == 0
    assert_as_before(terminal)


def test_a_byte_that_is_no_utf_8_does_not_end_the_app(terminal: Terminal) -> None:
    terminal.press(b"\xe9\xff\xe1\x9b\xe9")  # Latin-1, as pasted, and 8-bit meta
    terminal.press(b"q")
    assert terminal.end() == 0
    assert_as_before(terminal)


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2],
)
def test_a_signal_does(terminal: Terminal, number: signal.Signals) -> None:
    terminal.process.send_signal(number)
    assert terminal.end() == -number
    assert_as_before(terminal)


@pytest.mark.parametrize("bytes_drawn", [0, 1, 3000])
def test_a_signal_does_while_the_app_is_only_starting(tmp_path: Path, bytes_drawn: int) -> None:
    opened = Terminal(tmp_path / "runs", tmp_path)
    try:
        opened.wait_for(b"\x1b[?1049h")
        drawn = len(opened.output) + bytes_drawn
        opened.until(lambda: len(opened.output) >= drawn)
        opened.process.send_signal(signal.SIGTERM)
        assert opened.end() == -signal.SIGTERM
        assert_as_before(opened)
        assert b"Traceback" not in opened.output
    finally:
        opened.close()


def test_stops_and_continues_are_taken_in_turn(terminal: Terminal) -> None:
    """At each SIGCONT Textual begins anew, whatever it is at: so it would read keys twice, and take
    the raw terminal for the one that there was.
    """
    app = psutil.Process(terminal.process.pid)
    go_on = partial(terminal.process.send_signal, signal.SIGCONT)
    for _again in range(2):
        terminal.process.send_signal(signal.SIGTSTP)
        terminal.until(lambda: app.status() == psutil.STATUS_STOPPED)
        assert terminal.settings() == terminal.before
        go_on()
        terminal.until(lambda: terminal.settings() != terminal.before)
    for _again in range(3):
        go_on()
        terminal.read()
    terminal.press(b"q")
    assert terminal.end() == 0
    assert_as_before(terminal)
    assert terminal.output.count(b"\x1b[>25u") == terminal.output.count(b"\x1b[<u")


def test_settings_that_a_shell_sets_back_are_taken_anew(terminal: Terminal) -> None:
    raw = terminal.settings()
    termios.tcsetattr(terminal._app_side, termios.TCSANOW, terminal.before)
    terminal.process.send_signal(signal.SIGCONT)
    terminal.until(lambda: terminal.settings() == raw)
    terminal.press(b"q")
    assert terminal.end() == 0
    assert_as_before(terminal)


def test_an_exception_is_told_and_ends_nothing(terminal: Terminal) -> None:
    terminal.press(b"X")
    terminal.wait_for(b"on purpose")
    terminal.press(b"\r")
    terminal.press(b"q")
    assert terminal.end() == 0
    assert_as_before(terminal)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_does_when_the_app_hangs(terminal: Terminal, number: signal.Signals) -> None:
    terminal.hang()
    started = time.monotonic()
    terminal.process.send_signal(number)
    assert terminal.end() == -number
    assert time.monotonic() - started > 0.9 * _PATIENCE  # it has been given the time
    assert_as_before(terminal)


@pytest.mark.parametrize("terminal", [100_000.0], indirect=True)
def test_a_second_signal_does_not_wait(terminal: Terminal) -> None:
    terminal.hang()

    def again() -> None:
        terminal.process.send_signal(signal.SIGTERM)
        terminal.read(0.2)

    # two that come at once are one
    until(lambda: terminal.process.poll() is not None, meanwhile=again)
    assert terminal.end() == -signal.SIGTERM
    assert_as_before(terminal)


def test_a_terminal_that_takes_nothing_more_does_not_hold_the_end_up(terminal: Terminal) -> None:
    termios.tcflow(terminal._app_side, termios.TCOOFF)  # as ctrl+s, or a stalled connection
    terminal.press(b"t" * 40)
    time.sleep(0.5)
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.process.wait(120) == -signal.SIGTERM
    assert terminal.settings() == terminal.before


def test_a_run_goes_on_when_the_terminal_goes(terminal: Terminal, tmp_path: Path) -> None:
    terminal.press(b"4s")
    folder = RunFolder(tmp_path / "runs" / "demo-1")
    terminal.until(folder.is_alive)
    terminal.wait_for(b"Pause")
    os.killpg(terminal.process.pid, signal.SIGHUP)
    try:
        assert terminal.end() == -signal.SIGHUP
        assert_as_before(terminal)
        told = folder.events.stat().st_size
        until(lambda: folder.events.stat().st_size > told)
        assert folder.is_alive()
    finally:
        supervisor.kill(folder)
    assert supervisor.wait_until_gone(folder, 120)


def test_a_terminal_that_is_gone_ends_the_app(terminal: Terminal) -> None:
    """Without this it would go on for ever, reading the end of its input again and again."""
    terminal.vanish()
    assert terminal.process.wait(120) != 0


def test_it_speaks_the_language_of_the_option(tmp_path: Path) -> None:
    runs = str(tmp_path / "runs")
    opened = Terminal(tmp_path, tmp_path, "-m", "farense_tui", "--lang", "pt", "--runs-dir", runs)
    try:
        for text in ("livres", "linhas validam", "passos", "inicia-o"):
            opened.wait_for(text.encode())
        opened.press(b"q")
        assert opened.end() == 0
        assert_as_before(opened)
    finally:
        opened.close()
