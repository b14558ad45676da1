"""Beside every rank, on its machine: passes on what it is asked for and tells how it ended.

`python -m farense_worker.ranks.guard RUN` is what mlx.launch starts. It ends the rank as soon as
nobody leads the run any more, and the rank ends itself when its guard is gone: no orphan is left,
whichever of them is killed, here or on another machine.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from types import FrameType

import msgspec

from farense_worker.protocol.errors import PEER
from farense_worker.protocol.messages.task import Failure
from farense_worker.protocol.processes.programs import program
from farense_worker.ranks.reports import (
    GO,
    HEARD,
    JOIN,
    JOINED,
    READY,
    WORDS,
    End,
    encode,
    encode_word,
)

# Over ssh a broken connection may not show; then the signs of life tell, which come every 5 s.
_SILENCE = 60.0
_GRACE = 2.0  # for a rank that is about to end by itself, when mlx.launch ends the run
# At the end of a rank that has lost another: mlx.launch then cuts off what that one's says.
_LAST_WORDS = 1.0
_LINES = 12
_LEAD = 0  # standard input: what the run's lead asks for, through mlx.launch


def main() -> int:
    """Guard one rank; 0 if it ended as it should, 1 makes mlx.launch end the other ranks."""
    rank = own_rank()
    words = set(WORDS.values())
    signal.pthread_sigmask(signal.SIG_BLOCK, words)  # until the rank can take them
    process = subprocess.Popen(
        program("farense_worker.ranks.rank", sys.argv[1]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "FARENSE_RANK": str(rank)},
    )
    guard = Guard(rank, process)
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, guard.on_signal)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, words)
    end = guard.watch()
    with contextlib.suppress(OSError):  # nobody may be left to hear it
        os.write(1, encode(end))
    if end.failure is not None and end.failure.kind == PEER:
        time.sleep(_LAST_WORDS)
    return 0 if end.orderly else 1


def own_rank() -> int:
    """Which rank this is, as mlx.launch or mpirun tells it."""
    for name in ("MLX_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"):
        if name in os.environ:
            return int(os.environ[name])
    said = "this is started by mlx.launch, see farense-tui train --ranks"  # not translated: by hand
    raise SystemExit(f"guard: {said}")


@dataclass
class Guard:
    rank: int
    process: subprocess.Popen[bytes]
    heard: float = field(default_factory=time.monotonic)
    deadline: float = float("inf")
    put_down: bool = False
    asked: bytes = b""
    told: bytes = b""
    failure: Failure | None = None
    said: bytes = b""
    lines: list[str] = field(default_factory=list)

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Give the rank a moment to end by itself; none when the connection is cut."""
        grace = _GRACE if number == signal.SIGTERM else 0.0
        self.deadline = min(self.deadline, time.monotonic() + grace)

    def watch(self) -> End:
        """Wait for the rank's end, and bring it about when nobody leads the run any more."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        lead, failure, stderr = _LEAD, self.process.stdout.fileno(), self.process.stderr.fileno()
        sources = {failure, stderr} | ({lead} if self._is_led() else set())
        while sources - {lead}:
            ready, _, _ = select.select(list(sources), [], [], 0.5)
            for source in ready:
                chunk = _read(source)
                if not chunk:
                    sources.discard(source)
                    if source == lead:
                        self.deadline = 0.0
                elif source == lead:
                    self._pass_on(chunk)
                elif source == failure:
                    self._hear(chunk)
                else:
                    self._relay(chunk)
            if not ready and self.process.poll() is not None:
                break
            self._keep_time(lead in sources)
        self._relay(b"")
        code = self.process.wait()
        put_down = self.put_down and self.failure is None
        return End(self.rank, code, self.failure, "\n".join(self.lines), put_down)

    def _is_led(self) -> bool:
        # mpirun connects the first rank's standard input only, and ends the others itself.
        return self.rank == 0 or "MLX_RANK" in os.environ

    def _keep_time(self, led: bool) -> None:
        now = time.monotonic()
        if (now > self.deadline or (led and now - self.heard > _SILENCE)) and not self.put_down:
            self.put_down = True
            self.process.kill()

    def _pass_on(self, chunk: bytes) -> None:
        """Give what is asked for to the rank: to the first one, but stacks are shown by all."""
        self.heard = time.monotonic()
        *lines, self.asked = (self.asked + chunk).split(b"\n")
        for line in lines:
            word = line.strip().decode("ascii", "ignore")
            if word == GO:
                self._answer(JOIN)
            elif word in WORDS and (self.rank == 0 or word == "stacks"):
                self.process.send_signal(WORDS[word])

    def _relay(self, chunk: bytes) -> None:
        """Pass on what the rank prints, each line with its rank; no chunk: the rest of it."""
        *lines, self.said = (self.said + chunk + b"\n" * (not chunk and bool(self.said))).split(
            b"\n"
        )
        for line in lines:
            text = line.decode("utf-8", "replace")
            self.lines = [*self.lines, text][-_LINES:]
            with contextlib.suppress(OSError):
                os.write(2, f"rank {self.rank}| {text}\n".encode())

    def _hear(self, chunk: bytes) -> None:
        """Take what the rank tells: that it is ready, that it has joined, why it has failed."""
        *lines, self.told = (self.told + chunk).split(b"\n")
        for line in lines:
            if line + b"\n" not in (READY, JOINED):
                self._pass_on_failure(msgspec.json.decode(line, type=Failure))
                continue
            if not self._is_led():
                self._answer(JOIN)
            with contextlib.suppress(OSError):
                os.write(1, encode_word(self.rank, line + b"\n"))

    def _pass_on_failure(self, failure: Failure) -> None:
        """Report at once, while the rank waits for it: its end makes the others fail too."""
        self.failure = failure
        with contextlib.suppress(OSError):
            os.write(1, encode(End(self.rank, failure.exit_code, failure)))
        self._answer(HEARD)

    def _answer(self, word: bytes) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            os.write(self.process.stdin.fileno(), word)


def _read(source: int) -> bytes:
    try:
        return os.read(source, 1 << 16)
    except OSError:  # a terminal whose ssh connection is cut
        return b""


if __name__ == "__main__":
    sys.exit(main())
