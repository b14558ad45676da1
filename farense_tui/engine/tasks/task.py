"""Runs `python -m farense_worker.tasks NAME` and gives what it says: the app imports no MLX."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.task import Failure, Progress
from msgspec import Struct

from farense_tui.engine.machine import blas

R = TypeVar("R", bound=Struct)


class Stop:
    """Ends a task from another thread: an iterator that is being waited on cannot be closed."""

    def __init__(self) -> None:
        """Nothing has been asked yet."""
        self.asked = False
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def ask(self) -> None:
        """End the task, now or as soon as it starts; `run` raises as for any that was killed."""
        with self._lock:
            self.asked = True
            if self._process:
                self._process.kill()

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        """Take the process that is to be ended."""
        with self._lock:
            self._process = process
            if self.asked:
                process.kill()


def run(name: str, asked: Struct, result: type[R], stop: Stop | None = None) -> Iterator[object]:
    """Do a task in a process of its own: gives Progress any number of times, then the result.

    Takes seconds or more, so not for the UI's loop. Closing the iterator ends the process, and so
    does `stop` from another thread. Raises FarenseError where there is no result.
    """
    decoder = msgspec.json.Decoder(Progress | Failure | result)
    # Both into files: a pipe that nobody empties or fills would make one wait for the other.
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stderr:
        stdin.write(msgspec.json.encode(asked))
        stdin.seek(0)
        with subprocess.Popen(
            [sys.executable, "-P", "-m", "farense_worker.tasks", name],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={
                **os.environ,
                **blas.environment(),
                "HF_HUB_DISABLE_PROGRESS_BARS": "1",
                "TOKENIZERS_PARALLELISM": "false",
            },
        ) as process:
            assert process.stdout is not None
            if stop:
                stop.watch(process)
            try:
                for line in process.stdout:
                    said = decoder.decode(line)
                    if isinstance(said, Failure):
                        raise said.error()
                    yield said
                    if isinstance(said, result):
                        return
            except msgspec.DecodeError:
                pass  # half a line: it was killed, as the missing result will tell
            finally:
                process.kill()
            process.wait()
        stderr.seek(0)
        words = stderr.read()[-2000:].decode("utf-8", "replace")
    title = _("the worker ended without a result: {name}").format(name=name)
    raise FarenseError(title, words, kind="task")


def result_of(
    name: str,
    asked: Struct,
    result: type[R],
    tell: Callable[[Progress], None] = lambda _: None,
    stop: Stop | None = None,
) -> R:
    """Do a task and give its result; `tell` is called with the progress."""
    for said in run(name, asked, result, stop):
        if isinstance(said, result):
            return said
        if isinstance(said, Progress):
            tell(said)
    raise AssertionError("run() ends with a result or raises")  # not translated: a fault of ours
