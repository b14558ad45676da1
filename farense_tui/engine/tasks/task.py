"""Runs `python -m farense_worker.tasks NAME` and gives what it says: the app imports no MLX."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages import line as json_line
from farense_worker.protocol.messages.task import Failure, Progress
from farense_worker.protocol.processes import leash
from farense_worker.protocol.processes.programs import environment, program
from msgspec import Struct

from farense_tui.engine.machine import blas
from farense_tui.engine.machine.awake import keep_awake
from farense_tui.engine.runs import death

# Those that a sleeping machine would break off.
_LONG = ("ask", "download", "evaluate", "export", "serve", "upload")
_MOST = 2000  # bytes of its last words
_PATIENCE = 2.0  # seconds; something that it has started may hold its stderr open
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


class Task:
    """A task in a process of its own. Not for two threads at once, but for `write` and `close`."""

    def __init__(self, name: str, asked: Struct, said: Any, stop: Stop | None = None) -> None:
        """Start it and hand the request over. said: the kinds of lines that may come, as a union.

        `stop` ends it from another thread.
        """
        self._name = name
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Failure | said)
        self._process = subprocess.Popen(
            _command(name),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={
                **environment(),
                **blas.environment(),
                **leash.on_leash(),
                "HF_HUB_DISABLE_PROGRESS_BARS": "1",
                "TOKENIZERS_PARALLELISM": "false",
            },
        )
        self._words = b""
        self._hearing = threading.Thread(target=self._hear, daemon=True)
        self._hearing.start()
        if name in _LONG:
            keep_awake(self._process.pid)
        if stop:
            stop.watch(self._process)
        self.write(asked)

    def __enter__(self) -> Task:
        """Use it until the block ends."""
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def write_end(self) -> None:
        """Say that nothing more will be said."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def write(self, said: Struct) -> None:
        """Say something to it; from any thread."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its last words tell why
            self._process.stdin.write(json_line.encode(said))
            self._process.stdin.flush()

    def listen(self) -> Any:
        """Wait for the next line; FarenseError if there is none but the news of a failure."""
        assert self._process.stdout is not None
        with contextlib.suppress(msgspec.DecodeError):  # half a line: it was killed
            for line in self._process.stdout:
                said = self._decoder.decode(line)
                if isinstance(said, Failure):
                    raise said.error()
                return said
        with contextlib.suppress(subprocess.TimeoutExpired):  # its stdout is closed: it is ending
            self._process.wait(_PATIENCE)
        self._process.kill()
        code = self._process.wait()
        self._hearing.join(_PATIENCE)
        words = self._words.decode("utf-8", "replace")
        title = _("the worker ended without a result: {name}").format(name=self._name)
        how = death.by_code(code) if code < 0 else ()
        raise FarenseError(title, "\n".join(filter(None, (*how, words))), kind="task")

    def _hear(self) -> None:
        """Keep its last words; a pipe that nobody empties would stop it."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._words = (self._words + line)[-_MOST:]

    def close(self) -> None:
        """End the process, whatever it does; from any thread."""
        self._process.kill()
        self._process.wait()


def run(name: str, asked: Struct, result: type[R], stop: Stop | None = None) -> Iterator[object]:
    """Do a task in a process of its own: gives Progress any number of times, then the result.

    Takes seconds or more, so not for the UI's loop. Closing the iterator ends the process, and so
    does `stop` from another thread. Raises FarenseError where there is no result.
    """
    with Task(name, asked, Progress | result, stop) as task:
        said = None
        while not isinstance(said, result):
            said = task.listen()
            yield said


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


def _command(name: str) -> list[str]:
    return program("farense_worker.tasks", name)
