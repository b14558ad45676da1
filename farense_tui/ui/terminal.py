"""Leaves the terminal as it was found, also where Textual does not: on signals, at a crash.

A signal asks the app to end in an orderly way. If that takes too long, the modes are written and
the terminal's settings put back by hand. In either case the process then dies by the signal, so
that a shell sees what happened. Workers are in sessions of their own and go on.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import termios
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from farense_tui.engine.machine.terminal import shows_progress

# Those that would end the process at once; SIGUSR1 and 2 are meant for a worker and may miss it.
_SIGNALS = (
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
_PATIENCE = 2.0
# What Textual turns on (textual/drivers/linux_driver.py), turned off: synchronized output, line
# wrap, in-band resize, bracketed paste, focus, mouse, Kitty keys, alternate screen, cursor.
RESTORE = (
    "\x1b[?2026l\x1b[?7h\x1b[?2048l\x1b[?2004l\x1b[?1004l"
    "\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"
    "\x1b[<u\x1b[?1049l\x1b[?25h\x1b[0m"
)
# The title is put away and back (xterm's stack of titles), and no mark of progress is left.
KEEP_TITLE, TITLE_BACK, NO_MARK = "\x1b[22;0t", "\x1b[23;0t", "\x1b]9;4;0;\x1b\\"


class TerminalGuard:
    """Around `App.run`, in the main thread."""

    def __init__(self, on_signal: Callable[[], None], patience: float = _PATIENCE) -> None:
        """`on_signal` asks the app to end; it is called in the main thread."""
        self._on_signal = on_signal
        self._patience = patience
        self._attributes: list[Any] | None = None
        self._descriptor = -1
        self._received: signal.Signals | None = None
        self._clean = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> TerminalGuard:
        """Remember how the terminal is, and listen."""
        with contextlib.suppress(termios.error, ValueError, AttributeError, OSError):
            self._descriptor = sys.__stdin__.fileno()  # type: ignore[union-attr]
            self._attributes = termios.tcgetattr(self._descriptor)
        self._write(KEEP_TITLE)
        atexit.register(self._restore_unless_clean)
        for each in _SIGNALS:
            if signal.getsignal(each) is not signal.SIG_IGN:  # nohup means it
                self._before[each] = signal.signal(each, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Textual has restored the terminal if it ended by itself; if not, do it by hand."""
        self._clean = kind is None
        self._restore_unless_clean()
        if self._attributes is not None:  # Textual's may be those that somebody changed meanwhile
            set_back(self._descriptor, self._attributes)
        self._write(_title_back())
        signal.setitimer(signal.ITIMER_REAL, 0)
        for each, handler in self._before.items():
            signal.signal(each, handler)
        if self._received:
            self._die(self._received)

    def gone(self) -> bool:
        """Whether there was a terminal and it is no more: nobody can see the app or end it."""
        if self._attributes is None:
            return False
        try:
            termios.tcgetattr(self._descriptor)
        except termios.error:
            return True
        return False

    def _write(self, sequence: str) -> None:
        if self._attributes is not None:
            write(self._descriptor, sequence)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Ask the app to end, and see to it that it does. A second signal does not wait."""
        again, self._received = self._received, signal.Signals(number)
        if again:
            self._give_up(number, frame)
        signal.signal(signal.SIGALRM, self._give_up)
        signal.setitimer(signal.ITIMER_REAL, self._patience)
        self._on_signal()

    def _give_up(self, number: int, frame: FrameType | None) -> None:
        self._restore_unless_clean()
        self._die(self._received or signal.SIGTERM)

    def _restore_unless_clean(self) -> None:
        if not self._clean and self._attributes is not None:
            restore(self._descriptor, self._attributes)
            self._clean = True  # only now: another signal may come in between, and end it

    def _die(self, by: signal.Signals) -> None:
        signal.signal(by, signal.SIG_DFL)
        os.kill(os.getpid(), by)


def restore(descriptor: int, attributes: list[Any]) -> None:
    """Put the terminal back by hand. Never waits: a terminal that takes nothing more is left."""
    with contextlib.suppress(termios.error, OSError):
        termios.tcflush(descriptor, termios.TCIOFLUSH)
    set_back(descriptor, attributes)
    write(descriptor, RESTORE + _title_back())


def set_back(descriptor: int, attributes: list[Any]) -> None:
    """Give the terminal its settings back, where it is still there."""
    with contextlib.suppress(termios.error, OSError):
        termios.tcsetattr(descriptor, termios.TCSANOW, attributes)


def write(descriptor: int, sequence: str) -> None:
    """Write to the terminal, as far as it takes something just now."""
    with contextlib.suppress(OSError):
        blocking = os.get_blocking(descriptor)
        os.set_blocking(descriptor, False)
        try:
            os.write(descriptor, sequence.encode())
        finally:
            os.set_blocking(descriptor, blocking)


def _title_back() -> str:
    return (NO_MARK if shows_progress(os.environ) else "") + TITLE_BACK
