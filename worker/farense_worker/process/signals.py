"""Control by signals: what was asked of the worker, to be answered between two steps.

Python runs a signal's handler only between two bytecodes, and `mx.eval` is one; so the handlers
set flags. Stacks are the exception: faulthandler writes them from inside a hung native call.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType

# Those that cannot be handled or are of this process's own faults, and those that end nobody.
_NOT_HEEDED = {
    signal.SIGKILL,
    signal.SIGSTOP,
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGABRT,
    signal.SIGTRAP,
    signal.SIGUSR2,  # stacks
    signal.SIGCHLD,
    signal.SIGCONT,
    signal.SIGURG,
    signal.SIGWINCH,
}


# What a worker is asked by, and stacks.
_HEARD = {
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGTSTP,
    signal.SIGCONT,
    signal.SIGUSR1,
    signal.SIGUSR2,
}


class StopRequested(Exception):
    """The user wants the run to end now, in an orderly way."""


@dataclass
class Asked:
    stop: bool = False
    pause: bool = False
    save: bool = False


class Control:
    """What was asked, and what is agreed on to be done.

    `asked` changes at any moment. The training acts on `stop`, `pause` and `save`, which change
    only in `agree`: so all ranks act on the same at the same step.
    """

    def __init__(self) -> None:
        """Nothing is asked yet; `install` listens."""
        self.asked = Asked()
        self.stop = False
        self.pause = False
        self.save = False
        self._interruptible = False
        self._thread = threading.get_ident()

    def agree(
        self, add: Callable[..., list[float]] = lambda *flags: list(flags), *more: float
    ) -> list[float]:
        """Act from now on on what was asked of any rank.

        `add` sums numbers over all ranks; it adds up `more` on the way, which is given back.
        """
        asked = self.asked
        agreed = add(float(asked.stop), float(asked.pause), float(asked.save), *more)
        self.stop, self.pause, self.save = (number > 0 for number in agreed[:3])
        return agreed[3:]

    def resume(self) -> None:
        """Note that the pause is over."""
        self.asked.pause = self.pause = False

    def saved(self) -> None:
        """Note that the checkpoint that was asked for is being written."""
        self.asked.save = self.save = False

    def install(self) -> None:
        """Listen for SIGTERM, SIGINT, SIGTSTP, SIGCONT, SIGUSR1 and SIGUSR2.

        Also for those that have come before, where whoever started this process held them back.
        """
        faulthandler.enable(sys.stderr)
        faulthandler.register(signal.SIGUSR2, file=sys.stderr, all_threads=True)
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)
        signal.signal(signal.SIGTSTP, self._on_pause)
        signal.signal(signal.SIGCONT, self._on_continue)
        signal.signal(signal.SIGUSR1, self._on_save)
        # A closed terminal does not end the run.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)

    @contextlib.contextmanager
    def handed_on(self) -> Iterator[None]:
        """Keep what is asked for the program that is started in this one's place (exec) inside.

        Signals that are held back outlast it, and are heard once that program listens: until then
        they would end it.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
        try:
            asked = self.asked
            for was, number in (
                (asked.stop, signal.SIGTERM),
                (asked.pause, signal.SIGTSTP),
                (asked.save, signal.SIGUSR1),
            ):
                if was:
                    signal.raise_signal(number)
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let a stop break off what is done inside, by StopRequested: nothing is lost there."""
        if self.asked.stop:
            raise StopRequested
        self._interruptible = True
        try:
            yield
        finally:
            self._interruptible = False

    def break_off(self) -> None:
        """Do from another thread what a stop does to what may be broken off, and nothing else."""
        if self._interruptible:
            signal.pthread_kill(self._thread, signal.SIGTERM)

    def _on_stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.asked.stop = True
        if self._interruptible:
            self._interruptible = False
            raise StopRequested

    def _on_pause(self, _signal: int, _frame: FrameType | None) -> None:
        self.asked.pause = True

    def _on_continue(self, _signal: int, _frame: FrameType | None) -> None:
        self.asked.pause = False

    def _on_save(self, _signal: int, _frame: FrameType | None) -> None:
        self.asked.save = True


def heed_none() -> None:
    """Let no signal end this process any more: all is done, and only saying so is left.

    Handlers that do nothing, because what is started afterwards would inherit ignored signals.
    """
    for number in signal.valid_signals() - _NOT_HEEDED:
        if signal.getsignal(number) == signal.SIG_IGN:
            continue
        with contextlib.suppress(OSError):  # of the system's own
            signal.signal(number, lambda _number, _frame: None)


def inherited_lock() -> int | None:
    """Take over the lock that the launcher has passed on; None if it has passed none."""
    passed = os.environ.pop("FARENSE_LOCK", "")
    if not passed.isdigit():
        return None
    os.set_inheritable(int(passed), False)
    return int(passed)
