"""A run's record, read as it grows: its state and its log, and a note of them for the next time.

Opening a record of a million steps means decoding some hundred megabytes. So that this is done once
and not at each opening, what a long record came to is written beside it, with the length and the
checksum of what it was made from. It is believed only if the record still begins with just that.
"""

from __future__ import annotations

import contextlib
import os
from array import array
from itertools import chain
from math import inf, isfinite
from operator import le
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, NamedTuple
from zlib import crc32

import msgspec
from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.messages import events
from farense_worker.protocol.run_folder import RunFolder

from farense_tui import __version__
from farense_tui.engine.record.buckets import Buckets
from farense_tui.engine.record.figures import Figure, reduce_figures
from farense_tui.engine.record.log import Journal, Noted
from farense_tui.engine.record.point_buffer import Points
from farense_tui.engine.record.series import Series
from farense_tui.engine.record.state import RunState, fold, reduce
from farense_tui.engine.record.superseded import kept_until
from farense_tui.engine.record.tail import Tail

_GLIMPSE = 1 << 18  # bytes of each end
_WORTH = 32 << 20  # bytes of a record that are worth a note: a tenth of a second to read
_LONGEST_NOTE = 128 << 20  # bytes; of a million steps it has some ten
_FARTHEST = float(1 << 53)  # step
_Size = Annotated[int, msgspec.Meta(ge=1, le=1 << 40)]


class Note(msgspec.Struct, frozen=True):
    """What the first `length` bytes of a record, with this checksum, came to."""

    version: str
    log_every: int
    length: events.Whole
    checksum: int
    state: RunState
    noted: tuple[Noted, ...]
    count: events.Whole
    paused: bool


class Stretch(NamedTuple):
    """Steps and heartbeats that follow each other, then the event that ended them."""

    figures: list[Figure]
    event: events.AnyEvent | None


class Record:
    """Reads one events.jsonl. Not for two threads at once."""

    def __init__(self, folder: RunFolder, log_every: int = 10) -> None:
        self._folder = folder
        self._log_every = log_every
        self._superseded: list[tuple[int, int]] = []
        self._noted = -1  # length that the note stands for; -1 before it was looked for
        self._begin()

    def _begin(self) -> None:
        self._tail, self._told_of = Tail(self._folder.events), 0
        self._start()

    def _start(self) -> None:
        self.state = RunState(run=self._folder.name)
        self.journal = Journal(self._log_every)

    def read(self, deadline: float) -> float:
        """Read until there is no more or `monotonic` is at `deadline`; the share that is read."""
        if self._noted < 0:
            self._noted = 0
            self._take_note()
        while found := self._tail.read():
            if self._tail.cut:  # what was read so far is not in it any more
                self._tail.cut = False
                self._start()
            self._tell_damage(found[0].time)
            for stretch in stretches(found):
                if not self._add(stretch):
                    self._begin()
                    break
            if monotonic() > deadline:
                return self._share()
        self._write_note()
        return 1.0

    @property
    def fault(self) -> FarenseError | None:
        """Why the record cannot be read, though it is there."""
        return self._tail.fault

    def _tell_damage(self, time: float) -> None:
        """Say in the log that something of the record cannot be read, where no kill explains it."""
        new, self._told_of = self._tail.damaged - self._told_of, self._tail.damaged
        if new > 0:
            message = ngettext(
                "{n} line of the record is damaged and was passed over",
                "{n} lines of the record are damaged and were passed over",
                new,
            ).format(n=new)
            notice = events.Notice(
                time=time, level="warning", code="record_damaged", message=message
            )
            self.journal.add(notice)

    def _share(self) -> float:
        try:
            return min(1.0, self._tail.offset / max(1, self._folder.events.stat().st_size))
        except OSError:  # it has just been deleted
            return 1.0

    def _add(self, stretch: Stretch) -> bool:
        """Take some events in; False if all must be read anew.

        A resume supersedes steps. Where the series no longer has them one by one, which is tens of
        thousands of steps back, the record is read again without them.
        """
        figures, event = stretch
        if self._superseded:
            figures = [each for each in figures if not self._is_superseded(each)]
        self.state = reduce_figures(self.state, figures)
        self.journal.add_steps([each for each in figures if type(each) is events.Step])
        if event:
            upto = kept_until(event, self.state.step)
            if upto is not None and not self.state.loss.keeps(upto):
                self._superseded.append((event.seq, upto))
                return False
            self.state = reduce(self.state, event)
            self.journal.add(event)
        return True

    def _is_superseded(self, event: Figure) -> bool:
        at = event.step if type(event) is events.Step else 0
        return any(event.seq < seq and at > upto for seq, upto in self._superseded)

    def _take_note(self) -> None:
        note = _read(self._folder.note)
        if note is None:
            return
        known = (note.version, note.log_every) == (__version__, self._log_every)
        if known and self._tail.skip(note.length, note.checksum):
            self._noted = note.length
            self.state = note.state
            self.journal = Journal(self._log_every, note.noted, note.count, note.paused)

    def _write_note(self) -> None:
        length = self._tail.offset - self._tail.pending
        if length - self._noted < _WORTH or self._superseded:
            return
        self._noted = length
        note = Note(
            __version__,
            self._log_every,
            length,
            self._tail.checksum,
            self.state,
            *self.journal.noted(),
        )
        _write(self._folder.note, note)


def state_of(folder: RunFolder) -> RunState:
    """What a record comes to as it is now; FarenseError for one that cannot be read."""
    record = Record(folder)
    record.read(inf)
    if record.fault:
        raise record.fault
    return record.state


def glimpse(folder: RunFolder) -> RunState | None:
    """What a long record's beginning and end come to, to show until the rest is read.

    How the run was started and its newest figures are right, sums and history are not. None for a
    record that is short enough to be read at once.
    """
    try:
        with plain_file.reading(folder.events) as file:
            size = file.seek(0, os.SEEK_END)
            if size < _WORTH:
                return None
            file.seek(0)
            lines = file.read(_GLIMPSE).split(b"\n")[:-1]
            file.seek(max(file.tell(), size - _GLIMPSE))
            lines += file.read().split(b"\n")[1:-1]
    except OSError:
        return None
    found = (events.decode(line) for line in lines)
    return fold(event for event in found if event is not None)


def stretches(found: list[events.AnyEvent]) -> list[Stretch]:
    """Cut events where one comes that is neither a step nor a heartbeat."""
    figures = (events.Step, events.Heartbeat)
    ends = [at for at, event in enumerate(found) if type(event) not in figures]
    cut, start = [], 0
    for end in ends:
        cut.append(Stretch(found[start:end], found[end]))  # type: ignore[arg-type]
        start = end + 1
    if start < len(found):
        cut.append(Stretch(found[start:], None))  # type: ignore[arg-type]
    return cut


def _read(path: Path) -> Note | None:
    """A note that is whole: it begins with its own checksum.

    Anybody can make one, as the run may be from somebody else. So it holds no number that a record
    could not: it is JSON, as that is, within the same bounds.
    """
    try:
        written = plain_file.read(path, _LONGEST_NOTE)
        checksum, data = written[:4], written[4:]
        if crc32(data).to_bytes(4, "big") == checksum:
            note = _decoder.decode(data)
            sums = (note.state.tokens_so_far.last, note.state.padded_tokens_so_far.last)
            return note if all(isfinite(each or 0.0) for each in sums) else None
    except (OSError, ValueError, RecursionError):
        pass
    return None


def _write(path: Path, note: Note) -> None:
    """Replace the note; another screen may do so at the same time."""
    data = _encoder.encode(note)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with contextlib.suppress(OSError):  # a folder that may not be written to, a full disk
        with beside.open("wb") as file:  # in two pieces: it may be ten megabytes
            file.write(crc32(data).to_bytes(4, "big"))
            file.write(data)
        beside.replace(path)


def _packed(value: Any) -> Any:
    if not isinstance(value, Series):
        raise NotImplementedError(type(value))
    points = value.points()
    columns = (points.steps, points.values, *points.head.columns)
    return (points.head.size, [column.tobytes() for column in columns])


def _unpacked(kind: type, value: Any) -> Any:
    size, packed = msgspec.convert(value, tuple[_Size, list[bytes]])
    steps, values, *columns = (array("d", each) for each in packed)
    past = Buckets(size, columns)
    places = [*chain.from_iterable(zip(past.start, past.end, strict=True)), *steps]
    rising = all(map(le, [0, *places], [*places, _FARTHEST]))  # which NaN is not
    if not past.sound() or not rising or len(steps) != len(values):
        raise ValueError(kind)
    return Series(Points(head=past)).extended(steps, values)


_encoder = msgspec.json.Encoder(enc_hook=_packed)
_decoder = msgspec.json.Decoder(Note, dec_hook=_unpacked)
