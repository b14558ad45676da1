"""Standard output: the record of the run, and nothing but it."""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.messages.events import Event, Heartbeat, Phase, PhaseName, encode
from farense_worker.protocol.run_folder import disk_error

_TAIL = 1 << 20
_FARTHEST = 64 << 20


def claim_stdout() -> int:
    """Take file descriptor 1 for the record; whatever else is printed goes to stderr.

    Gives the descriptor of the record. To be called before anything is imported that prints.
    """
    record = os.dup(1)
    os.dup2(2, 1)
    return record


class Output:
    """Writes events. Safe to use from several threads.

    A full disk does not end the training: what could not be written is kept and written first
    as soon as there is space; only heartbeats are left out meanwhile. What else keeps the record
    from being written ends it, as a FarenseError: nobody would see what is done.
    """

    def __init__(self, record: int, events: Path, clock: Callable[[], float] = time.time) -> None:
        """Write to the descriptor `record` and count on from the last event in `events`.

        clock: gives the Unix seconds that events are stamped with.
        """
        self._record, self._events = record, events
        self._clock = clock
        self._lock = threading.Lock()
        self._backlog = b""
        self._closed = False
        self._unsaid: FarenseError | None = None  # of a heartbeat
        self.phase: PhaseName = "starting"
        self.step = 0
        self._seq, torn = _last(record, events)
        if torn:  # by a kill; its end is written like an event, since the disk may be full
            self._backlog = b"\n"
            self._flush()

    def emit(self, event: Event) -> None:
        """Write an event; its time and seq are set here.

        What a heartbeat's thread is told of the record ends nothing: whoever emits next raises it.
        """
        beats = isinstance(event, Heartbeat)
        with self._lock:
            if beats:
                self._write(beats)  # there may be space again, and nothing else to be told for long
                if self._backlog or self._closed:
                    return
            if self._unsaid:
                error, self._unsaid = self._unsaid, None
                raise error
            self._seq += 1
            stamped = msgspec.structs.replace(event, time=self._clock(), seq=self._seq)
            self._backlog += encode(stamped)
            self._write(beats)

    def enter(self, phase: PhaseName) -> None:
        """Go over to a phase, and say so if it is another one."""
        if phase != self.phase or self._seq == 0 or phase == "starting":
            self.phase = phase
            self.emit(Phase(name=phase))

    def go_on_in(self, record: Path) -> None:
        """Write what is still to be told into another file: the record is gone from its place."""
        if not stat.S_ISREG(os.fstat(self._record).st_mode):
            return
        try:
            other = plain_file.to_append(record)
        except OSError:
            return
        os.dup2(other, self._record, inheritable=False)
        os.close(other)

    def fall_silent(self) -> None:
        """Write nothing any more: the record is another worker's."""
        with self._lock:
            self._closed = True

    def _write(self, beats: bool) -> None:
        try:
            self._flush()
        except FarenseError as error:
            print(error, file=sys.stderr)  # the only place where it can still be told
            if not beats:
                raise
            self._unsaid = error

    def _flush(self) -> None:
        while self._backlog and not self._closed:
            try:
                written = os.write(self._record, self._backlog)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    return
                if error.errno != errno.EPIPE:
                    self._closed = True  # said once: what is told of this end goes nowhere
                    told = disk_error(error, self._events)  # but no refusal: a run goes on
                    raise FarenseError(told.title, told.detail, kind=told.kind) from error
                # Somebody read a pipe and has gone away; the training goes on without a reader.
                said = "worker: nobody reads the events any more"  # not translated: for worker.log
                print(said, file=sys.stderr)
                self._closed = True
                return
            self._backlog = self._backlog[written:]


def unheard() -> Output:
    """Make one whose events nobody hears, for what trains nothing but says as a run does."""
    return Output(os.open(os.devnull, os.O_WRONLY), Path(os.devnull))


def _last(record: int, events: Path) -> tuple[int, bool]:
    """Seq of the last whole event, and whether the record's last line has no end."""
    try:
        with plain_file.reading(events) as file:
            same = os.path.samestat(os.fstat(record), os.fstat(file.fileno()))
            size = file.seek(0, os.SEEK_END)
            seq, looked, tail = 0, 0, b""
            farthest = min(size, _FARTHEST)  # a file with holes may be longer than any disk
            while not seq and looked < farthest:  # further back if an event is longer than that
                looked = min(farthest, max(_TAIL, 2 * looked))
                file.seek(size - looked)
                tail = file.read(looked)
                seq = _seq(tail)
    except (FileNotFoundError, plain_file.NoFile):  # there is no record that could go on
        return 0, False
    return seq, same and bool(tail) and not tail.endswith(b"\n")


def _seq(tail: bytes) -> int:
    """Seq of the last event in these bytes, 0 if there is none."""
    for line in reversed(tail.split(b"\n")):
        try:
            return int(msgspec.json.decode(line, type=_Numbered).seq)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return 0


class _Numbered(msgspec.Struct):
    seq: int
