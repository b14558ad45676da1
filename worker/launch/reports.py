"""What the processes of a run of several ranks tell one another, and who is to blame for its end.

Down, a line each, through mlx.launch's standard input, which it copies to every rank's: what is
asked for, or an empty line as a sign of life. Up, through its standard output: a report on a
rank's end, in one line that begins with a mark, among all that is printed otherwise.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterable, Sequence

import msgspec

from worker.protocol.errors import PEER, ExitCode, FarenseError
from worker.protocol.hosts import Host

# What is asked for, and the signal that asks a worker for it (worker/control.py).
WORDS = {
    "stop": signal.SIGTERM,
    "pause": signal.SIGTSTP,
    "continue": signal.SIGCONT,
    "checkpoint": signal.SIGUSR1,
    "stacks": signal.SIGUSR2,
}
SIGN_OF_LIFE = b"\n"
BEAT = 5.0  # seconds between two signs of life

_MARK = "@farense-rank-ended "
_LAUNCHER = re.compile(r"Node with rank (\d+) exited with code (-?\d+)")
_MOST = 2000  # characters of what a rank has said; a line must fit into a pipe at once


class Failure(msgspec.Struct):
    """A FarenseError on its way."""

    kind: str
    title: str
    detail: str
    hint: str
    exit_code: int

    @classmethod
    def of(cls, error: FarenseError) -> Failure:
        """Take an error down."""
        detail = error.detail[:_MOST]
        return cls(error.kind, error.title, detail, error.hint, int(error.exit_code))


class End(msgspec.Struct):
    """How a rank has ended.

    code: exit code, negative for a signal. words: the last lines of its stderr. put_down: whether
    its guard killed it, because the run was over. guarded: False if only mlx.launch tells of it.
    """

    rank: int
    code: int
    failure: Failure | None = None
    words: str = ""
    put_down: bool = False
    guarded: bool = True

    @property
    def orderly(self) -> bool:
        """Whether the run has ended as it should, as far as this rank can tell."""
        return self.code in (ExitCode.DONE, ExitCode.STOPPED) and self.failure is None


def encode(end: End) -> bytes:
    """Write a report: ASCII, because mlx.launch drops letters that come in two pieces."""
    end = msgspec.structs.replace(end, words=end.words[-_MOST:])
    text = json.dumps(msgspec.to_builtins(end), ensure_ascii=True)
    return f"\n{_MARK}{text}\n".encode("ascii")


def decode(line: str) -> End | None:
    """Read a report, or what mlx.launch says of a rank; None for any other line."""
    said = _LAUNCHER.search(line)
    if said:
        return End(int(said[1]), int(said[2]), guarded=False)
    _, mark, text = line.partition(_MARK)
    if not mark:
        return None
    try:
        return msgspec.json.decode(text.strip(), type=End)
    except msgspec.DecodeError:  # another rank's output came in between
        return None


def blame(ends: Iterable[End]) -> End | None:
    """Find the rank whose end has ended the run.

    The others' are what followed: a connection lost, or killed by their guards. Of several that
    failed by themselves (all refuse the same bad data) the first rank speaks.
    """
    bad = [end for end in ends if not end.orderly]
    return min(bad, key=lambda end: (end.put_down, _follows(end), end.rank), default=None)


def _follows(end: End) -> bool:
    return end.failure is not None and end.failure.kind == PEER


def explain(end: End, hosts: Sequence[Host], run: str) -> FarenseError:
    """Say what became of the rank that has ended the run."""
    host = hosts[end.rank]
    who = f"rank {end.rank}" if host.local else f"rank {end.rank} on {host.ssh}"
    hint = f"farense-tui resume {run} continues from the last checkpoint."
    failure = end.failure
    if failure is not None:
        elsewhere = "" if end.rank == 0 and failure.kind != PEER else f"{who}:\n"
        return FarenseError(
            failure.title,
            elsewhere + failure.detail,
            failure.hint or hint,
            kind=failure.kind,
            exit_code=_exit_code(failure),
        )
    detail = ""
    if not end.guarded and not host.local:
        title = f"{who} could not be started, or was lost"
        detail = f"ssh to {host.ssh} ended with {_code(end.code)}."
        hint = (
            f"`ssh {host.ssh} true` must work without a question, and the same Python "
            "environment must be there under the same path (docs/several-machines.md)."
        )
    elif end.code < 0:
        title, detail = f"{who} was killed by {_code(end.code)}", _MEANING.get(-end.code, "")
    else:
        title = f"{who} ended with {_code(end.code)}"
    detail = "\n".join(part for part in (detail, end.words) if part)
    return FarenseError(title, detail, hint, kind="rank")


def _exit_code(failure: Failure) -> ExitCode:
    return ExitCode.REFUSED if failure.exit_code == ExitCode.REFUSED else ExitCode.FAILED


def _code(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


_MEANING: dict[int, str] = {
    signal.SIGKILL: "Somebody killed it, or the system did because memory ran out.",
    signal.SIGABRT: "A native library gave up; what it said:",
    signal.SIGSEGV: "A native library crashed.",
}
