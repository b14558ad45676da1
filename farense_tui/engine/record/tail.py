"""Read a growing record: whole lines from where the last look ended."""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args
from zlib import crc32

import msgspec
from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.events import (
    AnyEvent,
    Heartbeat,
    Phase,
    Step,
    decode,
    decode_lines,
)

_CHUNK = 1 << 18  # so that its events fit in a processor's cache
_MOST_LOST = 32 << 20  # bytes without an event: a record it was until there, at most
_LONGEST_TEXT = 8000  # characters of an event; whoever draws a text of megabytes stands still
_LEAST_LINE = 64  # bytes that a line counts for there: many short ones take as long
_FIRST_LINE = 4096  # bytes, more than it has
_FIGURES = (Step, Heartbeat)  # which have no texts, and are many


class Tail:
    """Follows one events.jsonl. The same code reads live, re-attached and finished runs."""

    def __init__(self, path: Path) -> None:
        """Start at the beginning of `path`, which need not exist yet."""
        self.path = path
        self.offset = 0
        self.checksum = 0  # CRC-32 of the whole lines up to there
        self.unreadable = 0
        self.damaged = 0  # of those, lines that no kill has torn and no later version has written
        self.cut = False  # it has become shorter and is read anew; for the reader to take back
        self.fault: FarenseError | None = None  # why it cannot be read, though it is there
        self._rest: list[bytes] = []  # put together only once its end has come
        self._lost = 0  # bytes since the last event
        self._heard = False  # whether there was an event
        self._passed_over = 0  # lines since the last event

    @property
    def pending(self) -> int:
        """Bytes read of a line that has no end yet."""
        return sum(map(len, self._rest))

    def skip(self, length: int, checksum: int) -> bool:
        """Go on after the first `length` bytes if they have this CRC-32; else stay."""
        found, left = 0, length
        try:
            with plain_file.reading(self.path) as file:
                while left and (chunk := file.read(min(_CHUNK, left))):
                    found = crc32(chunk, found)
                    left -= len(chunk)
        except OSError:
            return False
        if left or found != checksum:
            return False
        self.offset, self.checksum, self._heard = length, checksum, True
        return True

    def read(self, most: int = _CHUNK) -> list[AnyEvent]:
        """Give the events of the lines that were completed since, at most about `most` bytes.

        A line without its end waits for the next look. Unknown and torn lines are counted in
        `unreadable` and passed over. Empty only if there is no more whole event in the file.
        """
        while lines := self._more(most):
            found = decode_lines(lines)
            if found is None:  # something in it is no event
                found = [event for _, event in self._one_by_one(lines) if event is not None]
            elif found:
                self._settle(found[0])
            if found:
                self._lost, self._heard, self.fault = 0, True, None
                return [event if type(event) in _FIGURES else _cut(event) for event in found]
        return []

    def read_lines(self, most: int = _CHUNK) -> list[tuple[bytes, AnyEvent | None]]:
        """As `read`, with each line as it stands in the file."""
        found = self._one_by_one(self._more(most))
        if any(event is not None for _, event in found):
            self._lost, self._heard, self.fault = 0, True, None
        return [(line, event and _cut(event)) for line, event in found]

    def check(self) -> None:
        """Raise the FarenseError of a record that is there and could not be read."""
        if self.fault:
            raise self.fault

    def read_all(self) -> list[AnyEvent]:
        """Read until nothing more is there; FarenseError where it is there and cannot be read."""
        events: list[AnyEvent] = []
        while more := self.read():
            events += more
        self.check()
        return events

    def _more(self, most: int) -> bytes:
        """Whole lines that are not read yet; empty if there is none, or nothing but other things.

        Of what is no record, be it as long as a disk, only the beginning is read.
        """
        try:
            with plain_file.reading(self.path) as file:
                if file.seek(0, os.SEEK_END) < self.offset:
                    self.offset, self.checksum, self._rest, self.cut = 0, 0, [], True
                    self._lost, self._heard, self._passed_over = 0, False, 0
                file.seek(self.offset)
                while not self._is_lost() and (chunk := file.read(most)):
                    self.offset += len(chunk)
                    self._rest.append(chunk)
                    if b"\n" in chunk:
                        break  # else a line is longer than that
            self.fault = self._no_record()
        except FileNotFoundError:
            return b""
        except OSError as error:  # it may not be read, or is no file: the others may be
            self.fault = _unreadable(self.path, error)
            return b""
        if not self._rest or b"\n" not in self._rest[-1]:
            return b""
        read = b"".join(self._rest)
        end = read.rfind(b"\n") + 1
        lines, rest = read[:end], read[end:]
        self._rest = [rest] if rest else []
        self.checksum = crc32(lines, self.checksum)
        self._lost += max(len(lines), _LEAST_LINE * lines.count(b"\n"))
        self.fault = self.fault or self._no_record()
        return lines

    def _no_record(self) -> FarenseError | None:
        """Say why it is none: nothing in it, or nothing for long, is an event."""
        if self._is_lost():
            said = _("there is no event in {n} MiB before byte {byte}")
            said = said.format(n=_MOST_LOST >> 20, byte=self.offset)
        elif not self._heard and (self._lost or self.pending > _FIRST_LINE):
            said = _("no line of it is an event")
        else:
            return None
        title = _("cannot read {path}").format(path=self.path.name)
        hint = _("Lay it elsewhere: what the run has saved is resumed without it.")
        return refused(title, said, hint, kind="record")

    def _is_lost(self) -> bool:
        """Whether it goes on for so long without an event that it is none of ours."""
        return max(self._lost, self.pending) > _MOST_LOST

    def _one_by_one(self, lines: bytes) -> list[tuple[bytes, AnyEvent | None]]:
        found = [(line, decode(line)) for line in lines.split(b"\n") if line.strip()]
        for line, event in found:
            if event is None:
                self.unreadable += 1
                self._passed_over += not _is_of_another_version(line)
            else:
                self._settle(event)
        return found

    def _settle(self, event: AnyEvent) -> None:
        """Count what was passed over before this event; one line before a start a kill has torn."""
        if self._passed_over:
            begins = type(event) is Phase and event.name == "starting"
            self.damaged += self._passed_over - begins
            self._passed_over = 0


_KNOWN = frozenset(kind.__struct_config__.tag for kind in get_args(AnyEvent))


class _Tagged(msgspec.Struct):
    """What every event has."""

    type: str
    seq: int


def _is_of_another_version(line: bytes) -> bool:
    """Whether a line that is no event of ours is a whole one, of a type that is not known yet."""
    try:
        return msgspec.json.decode(line, type=_Tagged).type not in _KNOWN
    except (ValueError, RecursionError):  # msgspec's and Unicode's errors are ValueErrors
        return False


def _cut(event: AnyEvent) -> AnyEvent:
    """Leave out the end of texts that nobody could read to it."""
    texts = ((name, getattr(event, name)) for name in event.__struct_fields__)
    long = {
        name: text[: _LONGEST_TEXT - 1] + "…"
        for name, text in texts
        if isinstance(text, str) and len(text) > _LONGEST_TEXT
    }
    return msgspec.structs.replace(event, **long) if long else event


def check(path: Path) -> None:
    """Raise FarenseError (refused) for a record that is there and cannot be read."""
    tail = Tail(path)
    tail.read()
    tail.check()


def _unreadable(path: Path, error: OSError) -> FarenseError:
    title = _("cannot read {path}").format(path=path.name)
    return refused(title, error.strerror or str(error), kind="record")
