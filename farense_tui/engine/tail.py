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
        `unreadable` and passed over. Empty only if there is no more whole event in the file.
        """
        while lines := self.read_lines(most):
            if events := [event for _, event in lines if event is not None]:
                return events
        return []

    def read_lines(self, most: int = _CHUNK) -> list[tuple[bytes, AnyEvent | None]]:
        """As `read`, with each line as it stands in the file."""
        chunks = []
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                while chunk := file.read(most):  # more than once only if a line is that long
                    chunks.append(chunk)
                    if b"\n" in chunk:
                        break
        except FileNotFoundError:
            return []
        read = b"".join(chunks)
        self.offset += len(read)
        *lines, self._rest = (self._rest + read).split(b"\n")
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
