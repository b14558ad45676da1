"""A run followed without a screen."""

from __future__ import annotations

from pathlib import Path

from farense_worker.protocol.messages.events import encode
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.cli.running import headless
from tests.events import step


def test_a_long_record_is_told_as_it_is_read(tmp_path: Path) -> None:
    record = tmp_path / "events.jsonl"
    record.write_bytes(b"".join(encode(step(at, seq=at)) for at in range(1, 5000)))
    told = headless._Told(RunFolder(tmp_path))
    new = told.new()
    assert next(new)[1] == step(1, seq=1)
    assert told.tail.offset < record.stat().st_size
    *_, last = new
    assert last[1] == step(4999, seq=4999)
