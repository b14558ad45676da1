"""A run followed without a screen."""

from __future__ import annotations

from pathlib import Path

from farense_worker.protocol.messages.events import encode

from farense_tui.cli.running import headless
from farense_tui.engine.record.tail import Tail
from tests.events import step


def test_a_long_record_is_told_as_it_is_read(tmp_path: Path) -> None:
    record = tmp_path / "events.jsonl"
    record.write_bytes(b"".join(encode(step(at, seq=at)) for at in range(1, 5000)))
    tail = Tail(record)
    told = headless._new(tail)
    assert next(told)[0] == 0
    assert tail.offset < record.stat().st_size
    *_, last = told
    assert last[2] == step(4999, seq=4999)
