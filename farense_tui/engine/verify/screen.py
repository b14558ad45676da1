"""What the screen costs: the app attached to a run, in a terminal of its own that nobody sees."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.processes.programs import program
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.verify.workshop import Workshop

_ROWS, _COLUMNS = 36, 120
_DRAWN = b"\x1b["


@dataclass
class Cost:
    """Seconds the app was watched for and seconds of processor it took; bytes of its memory.

    ended: why the app was gone before the run's end; empty if it was not.
    """

    seconds: float = 0.0
    processor: float = 0.0
    memory: int = 0
    drawn: int = 0
    ended: str = ""

    @property
    def share(self) -> float:
        """Of one core, since it was first drawn."""
        return self.processor / self.seconds if self.seconds else 0.0


@contextlib.contextmanager
def watched(workshop: Workshop, folder: RunFolder) -> Iterator[Cost]:
    """Watch a run with the app, and count what it takes from its first picture on."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    command = program("farense_tui", "attach", str(folder.path))
    cost, over = Cost(), threading.Event()
    with workshop.program(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment
    ) as process:
        os.close(slave)
        reader = threading.Thread(target=_read, args=(master, process.pid, cost, over))
        reader.start()
        try:
            yield cost
            if (code := process.poll()) is not None:
                cost.ended = _("the app ended with exit code {n}").format(n=code)
        finally:
            over.set()
            reader.join()
            os.close(master)


def _read(master: int, pid: int, cost: Cost, over: threading.Event) -> None:
    """Read what the app draws, as a terminal does; its time counts from the first picture."""
    os.set_blocking(master, False)
    began, before = 0.0, 0.0
    with contextlib.suppress(psutil.Error):
        app = psutil.Process(pid)
        while not over.wait(0.05):
            try:
                drawn = os.read(master, 1 << 16)
            except BlockingIOError:
                drawn = b""
            except OSError:  # the app is gone
                return
            cost.drawn += len(drawn)
            used = sum(app.cpu_times()[:2])
            if not began and _DRAWN in drawn and cost.drawn > 4096:
                began, before = time.perf_counter(), used
            if began:
                cost.seconds, cost.processor = time.perf_counter() - began, used - before
                cost.memory = app.memory_info().rss
