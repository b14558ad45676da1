"""Read a growing record: whole lines from where the last look ended."""

from __future__ import annotations

from pathlib import Path

from worker.protocol.events import AnyEvent, decode

_CHUNK = 1 << 22


class Tail:
    """Follows one events.jsonl. The same code reads live, re-attached and finished runs."""

    def __init__(self, path: Path) -> None:
        """Start at the beginning of `path`, which need not exist yet."""
        self.path = path
        self.offset = 0
        self.unreadable = 0
        self._rest = b""

    @property
    def pending(self) -> int:
        """Bytes read of a line that has no end yet."""
        return len(self._rest)

    def read(self, most: int = _CHUNK) -> list[AnyEvent]:
        """Give the events of the lines that were completed since, at most about `most` bytes.

        A line without its end waits for the next look. Unknown and torn lines are counted in
        `unreadable` and passed over.
        """
        return [event for _, event in self.read_lines(most) if event is not None]

    def read_lines(self, most: int = _CHUNK) -> list[tuple[bytes, AnyEvent | None]]:
        """As `read`, with each line as it stands in the file."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                chunk = file.read(most)
        except FileNotFoundError:
            return []
        self.offset += len(chunk)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        found: list[tuple[bytes, AnyEvent | None]] = []
        for line in lines:
            if line.strip():
                event = decode(line)
                self.unreadable += event is None
                found.append((line, event))
        return found

    def read_all(self) -> list[AnyEvent]:
        """Read until nothing more is there."""
        events: list[AnyEvent] = []
        while more := self.read():
            events += more
        return events
