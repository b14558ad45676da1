"""What the processes of a run of several ranks tell one another, and who is to blame for its end.

Down, a line each, through mlx.launch's standard input, which it copies to every rank's: what is
asked for, or an empty line as a sign of life. Up, through its standard output: that a rank is
ready and that it has joined, and a report on its end; each in one line with a mark in it, among
all that is printed otherwise.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Iterable, Sequence

import msgspec

from farense_worker.protocol.errors import PEER, ExitCode, FarenseError
from farense_worker.protocol.hosts import Host
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.task import Failure

# What is asked for, and the signal that asks a worker for it (process/signals.py).
WORDS = {
    "stop": signal.SIGTERM,
    "pause": signal.SIGTSTP,
    "continue": signal.SIGCONT,
    "checkpoint": signal.SIGUSR1,
    "stacks": signal.SIGUSR2,
}
GO = "go"  # all ranks are ready: join now
SIGN_OF_LIFE = b"\n"
BEAT = 5.0  # seconds between two signs of life

# What a rank says on its way: all is imported; the others have been joined.
READY = b"ready\n"
JOINED = b"joined\n"

# What a guard answers, a byte each: all are ready, join; the failure has been passed on.
JOIN, HEARD = b"\n", b"!"

_MARK = "@farense-rank-ended "
_SAYS = re.compile(r"@farense-rank-says (\d+) (ready|joined)")
_LAUNCHER = re.compile(  # what mlx.launch prints
    r"Node with rank (\d+) exited with code (-?\d+)"  # not translated: a pattern
)
MOST = 2000  # characters of what a rank has said; a line must fit into a pipe at once


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
    end = msgspec.structs.replace(end, words=end.words[-MOST:])
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
    except (ValueError, RecursionError):  # another rank's output came in between
        return None


def encode_word(rank: int, word: bytes) -> bytes:
    """Write READY or JOINED of a rank."""
    return f"\n@farense-rank-says {rank} ".encode() + word


def decode_word(line: str) -> tuple[int, bytes] | None:
    """Read READY or JOINED of a rank; None for any other line."""
    said = _SAYS.search(line)
    return (int(said[1]), f"{said[2]}\n".encode()) if said else None


def blame(ends: Iterable[End]) -> End | None:
    """Find the rank whose end has ended the run.

    The others' are what followed: a connection lost, or killed by their guards. Of several that
    failed by themselves (all refuse the same bad data) the first rank speaks.
    """
    bad = [end for end in ends if not end.orderly]
    return min(bad, key=lambda end: (end.put_down, _follows(end), end.rank), default=None)


def _follows(end: End) -> bool:
    # A rank takes SIGTERM for a stop: one that it kills had not begun to when the run was ended.
    if end.failure is None:
        return end.code == -signal.SIGTERM
    return end.failure.kind == PEER


def explain(end: End, hosts: Sequence[Host], run: str) -> FarenseError:
    """Say what became of the rank that has ended the run."""
    host = hosts[end.rank]
    who = _who(end.rank, host)
    hint = _("farense-tui resume {run} continues from the last checkpoint.").format(run=run)
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
        title = _("{rank} could not be started, or was lost").format(rank=who)
        detail = _("ssh to {host} ended with {code}.").format(host=host.ssh, code=_code(end.code))
        hint = _reach(host.ssh, end.words)
    elif end.code < 0:
        title = _("{rank} was killed by {signal}").format(rank=who, signal=_code(end.code))
        detail = _MEANING.get(-end.code, "")
    else:
        title = _("{rank} ended with {code}").format(rank=who, code=_code(end.code))
    detail = "\n".join(part for part in (detail, end.words) if part)
    return FarenseError(title, detail, hint, kind="rank")


def explain_absence(ready: set[int], joined: set[int], hosts: Sequence[Host]) -> FarenseError:
    """Say which ranks have not come in time."""
    away = [rank for rank in range(len(hosts)) if rank not in ready]
    if away:
        return FarenseError(
            _("{ranks}: not started in time").format(
                ranks=", ".join(_who(rank, hosts[rank]) for rank in away)
            ),
            hint=_reach(hosts[away[0]].ssh),
            kind="ranks",
        )
    alone = [_who(rank, host) for rank, host in enumerate(hosts) if rank not in joined]
    ips = " ".join(ip for host in hosts for ip in host.ips)
    return FarenseError(
        _("the ranks could not connect in time"),
        _("{ranks}: not connected. The addresses are {ips}").format(
            ranks=", ".join(alone), ips=ips
        ),
        _(
            "Every machine must reach the next one in hosts.json, and the last the first, by their "
            '"ips"; a firewall may be in the way.'
        ),
        kind="ranks",
    )


def _who(rank: int, host: Host) -> str:
    if host.local:
        return _("rank {rank}").format(rank=rank)
    return _("rank {rank} on {host}").format(rank=rank, host=host.ssh)


def _reach(ssh: str, words: str = "") -> str:
    """Say what has to hold. words: what the failed connection said."""
    told = _(
        "`ssh {ssh} true` must work without a question, and the same Python "
        "environment must be there under the same path "
        "(docs/several-machines.md)."
    ).format(ssh=ssh)
    if sys.platform == "darwin" and "No route to host" in words:  # not translated: the system's
        told += " " + _(
            "From macOS 15 on a terminal has to be allowed to reach machines nearby: System "
            "Settings, Privacy & Security, Local Network."
        )
    return told


def _exit_code(failure: Failure) -> ExitCode:
    return ExitCode.REFUSED if failure.exit_code == ExitCode.REFUSED else ExitCode.FAILED


def _code(code: int) -> str:
    if code >= 0:
        return _("exit code {code}").format(code=code)
    try:
        return signal.Signals(-code).name
    except ValueError:
        return _("signal {number}").format(number=-code)


_MEANING: dict[int, str] = {
    signal.SIGKILL: _("Somebody killed it, or the system did because memory ran out."),
    signal.SIGABRT: _("A native library gave up; what it said:"),
    signal.SIGSEGV: _("A native library crashed."),
}
