"""Lead a run of several ranks: start them, pass on what is asked for, tell how it ended.

    this process            the run's lock, signals, the last event of a run that fails
      mlx.launch            farense_worker.ranks.mlx_launch
        guard of rank 0     farense_worker.ranks.guard; on other machines through ssh
          rank 0            farense_worker.ranks.rank: the record, the checkpoints
        guard of rank 1
          rank 1

All processes on this machine are in one process group, which this process leads.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import msgspec
import psutil

from farense_worker.loop.custody import Custody
from farense_worker.loop.lifecycle import failed
from farense_worker.process.output import Output
from farense_worker.process.signals import heed_none
from farense_worker.protocol import hosts, language, plain_file
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.hosts import Hosts
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages import events
from farense_worker.protocol.processes.programs import program
from farense_worker.protocol.run_folder import RunFolder, disk_error, write_atomically, write_pid
from farense_worker.protocol.settings.profile import Config
from farense_worker.ranks import reports
from farense_worker.ranks.reports import WORDS, End

_POLL = 0.1
_GRACE = 3.0  # from the first rank's end to the end of all, which mlx.launch brings about
_GRACE_ALONE = 1.0  # the same while they are not connected and so do not notice
_LINES = 12
# Seconds for all ranks to be there, imports and ssh included, and then to connect.
_START = 120.0
_CONNECT = 60.0
# Below what systems give to outgoing connections, above what services use.
_PORTS = (20_000, 32_000)


def lead(folder: RunFolder, config: Config, lock: int) -> int:
    """Train the run with all its ranks; the exit code."""
    with contextlib.suppress(PermissionError):  # it leads a session already
        os.setpgid(0, 0)
    orders = listen()
    write_pid(lock, os.getpid())
    custody = Custody(folder, lock)
    try:
        group = machines(config)
        process, alive = start(folder, config, group, lock)
    except FarenseError as error:
        return tell(custody, error)
    leading = Lead(process, orders, group)
    try:
        leading.follow()
    finally:
        sweep()
        os.close(alive)
    heed_none()
    first = leading.ends.get(0)
    if first is not None and first.orderly:
        return first.code
    return tell(custody, leading.reason(folder.name))


def listen() -> deque[bytes]:
    """Take what signals ask for, as words to the ranks."""
    orders: deque[bytes] = deque()
    words = {number: word for word, number in WORDS.items()} | {signal.SIGINT: "stop"}

    def on_signal(number: int, _frame: FrameType | None) -> None:
        orders.append(words[signal.Signals(number)].encode() + b"\n")

    for number in words:
        signal.signal(number, on_signal)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return orders


def machines(config: Config) -> Hosts:
    """Where the ranks are to run."""
    if not config.run.hosts:
        return hosts.here(config.run.ranks)
    return hosts.load(Path(config.run.hosts), config.run.backend)


def start(
    folder: RunFolder, config: Config, group: Hosts, lock: int
) -> tuple[subprocess.Popen[bytes], int]:
    """Start mlx.launch; its process, and the descriptor that keeps it alive.

    It holds the run's lock too: nobody resumes the run before the last rank here is gone. The
    settings travel with it, so other machines need not have the run folder.
    """
    reading, alive = os.pipe()
    hostfile = folder.path / ".hosts.json"
    settings = msgspec.json.encode(config).decode()
    launcher = program("farense_worker.ranks.mlx_launch", str(reading), "--hostfile", str(hostfile))
    options = ["--backend", config.run.backend]
    options += ["--starting-port", str(free_ports(len(group.hosts)))]
    options += ["--env", f"FARENSE_CONFIG={settings}", "--env", "TOKENIZERS_PARALLELISM=false"]
    options += ["--env", f"FARENSE_LANG={language.spoken()}"]  # ssh brings no environment along
    guard = program("farense_worker.ranks.guard", str(folder.path))
    try:
        write_atomically(hostfile, group.dumps())
        process = subprocess.Popen(
            [*launcher, *options, "--", *guard],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(reading, lock),
        )
    except OSError as error:
        raise disk_error(error, folder.path) from error
    finally:
        os.close(reading)
    return process, alive


def free_ports(count: int) -> int:
    """Find so many free ports in a row, at random, so that two runs do not meet; the first."""
    for _attempt in range(100):
        first = random.SystemRandom().randrange(*_PORTS)
        with contextlib.ExitStack() as opened:
            try:
                for port in range(first, first + count):
                    opened.enter_context(socket.socket()).bind(("", port))
            except OSError:
                continue
            return first
    raise FarenseError(
        _("there are no {count} free ports in a row").format(count=count),
        _("from {first} to {last}").format(first=_PORTS[0], last=_PORTS[1]),
        _("The ranks connect through them. End programs that listen there."),
        kind="ports",
    )


@dataclass
class Lead:
    """A group of ranks that runs."""

    process: subprocess.Popen[bytes]
    orders: deque[bytes]
    group: Hosts
    ends: dict[int, End] = field(default_factory=dict)
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=_LINES))
    deadline: float = float("inf")
    beat: float = 0.0
    ready: set[int] = field(default_factory=set)
    joined: set[int] = field(default_factory=set)
    limit: float = field(default_factory=lambda: time.monotonic() + _START)

    def follow(self) -> None:
        """Pass on orders and the log until all have ended, or have had the time to."""
        assert self.process.stdout is not None
        output, rest = self.process.stdout.fileno(), b""
        while time.monotonic() < min(self.deadline, self.limit):
            self._order()
            if not select.select([output], [], [], _POLL)[0]:
                continue
            chunk = os.read(output, 1 << 16)
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._take(line.decode("utf-8", "replace").rstrip("\r"))
            if not chunk:
                self.process.wait()
                return

    def _order(self) -> None:
        """Send what was asked for, and every now and then a sign of life."""
        if time.monotonic() >= self.beat:
            self.beat = time.monotonic() + reports.BEAT
            self.orders.append(reports.SIGN_OF_LIFE)
        assert self.process.stdin is not None
        while self.orders:
            with contextlib.suppress(BrokenPipeError):  # it has ended; the loop will see it
                os.write(self.process.stdin.fileno(), self.orders.popleft())

    def _take(self, line: str) -> None:
        """Take a line of mlx.launch: what a rank says, its end, or something for the log."""
        word = reports.decode_word(line)
        if word is not None:
            self._hear(*word)
            return
        end = reports.decode(line)
        if line.strip() and (end is None or not end.guarded):
            print(line, file=sys.stderr, flush=True)
            self.lines.append(line)
        if end is None:
            return
        if end.guarded or end.rank not in self.ends:
            self.ends[end.rank] = end
        if not end.orderly or end.rank == 0:
            grace = _GRACE if self.joined else _GRACE_ALONE
            self.deadline = min(self.deadline, time.monotonic() + grace)

    def _hear(self, rank: int, word: bytes) -> None:
        """Let the ranks join one another when all are ready: a rank that joins can only wait."""
        everyone = set(range(len(self.group.hosts)))
        if word == reports.READY:
            self.ready.add(rank)
            if self.ready == everyone:
                self.orders.append(f"{reports.GO}\n".encode())
                self.limit = time.monotonic() + _CONNECT
        elif word == reports.JOINED:
            self.joined.add(rank)
            if self.joined == everyone:
                self.limit = float("inf")

    def reason(self, run: str) -> FarenseError:
        """Say why the run has ended before its time."""
        if not self.ends and time.monotonic() >= self.limit:
            return reports.explain_absence(self.ready, self.joined, self.group.hosts)
        end = reports.blame(self.ends.values())
        if end is not None:
            if not end.words and not end.failure:
                end = msgspec.structs.replace(end, words="\n".join(self.lines))
            return reports.explain(end, self.group.hosts, run)
        return FarenseError(
            _("mlx.launch ended with code {code}").format(code=self.process.poll()),
            "\n".join(self.lines),
            _("farense-tui resume {run} continues from the last checkpoint.").format(run=run),
            kind="launch",
        )


def sweep() -> None:
    """Kill whatever is left of the group, and wait until it is gone."""
    own = os.getpid()
    left = [p for p in psutil.process_iter() if p.pid != own and _group(p.pid) == os.getpgrp()]
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=5.0)


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return -1


def tell(custody: Custody, error: FarenseError) -> int:
    """Write the last event of a run that failed; all ranks have ended. The exit code.

    Where the record takes nothing, or is another worker's by now, worker.log alone tells it.
    """
    print(error, file=sys.stderr, flush=True)
    home = custody.whereabouts()
    if home and not custody.is_taken_over():
        path = RunFolder(home).events
        with contextlib.suppress(OSError, FarenseError):  # the follower finds out why
            Output(plain_file.to_append(path), path).emit(failed(error, last_step(path)))
    return ExitCode(error.exit_code)


def last_step(record: Path) -> int:
    """Find the step that the record has come to; 0 before the first."""
    with plain_file.reading(record) as file:
        file.seek(max(0, record.stat().st_size - (1 << 20)))
        for line in reversed(file.read().split(b"\n")):
            event = events.decode(line)
            if isinstance(event, events.Step | events.Heartbeat | events.RunStopped):
                return event.step
    return 0
