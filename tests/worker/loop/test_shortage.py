"""Waiting for space on the disk, and what ends it."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from farense_worker.loop import shortage
from farense_worker.process.output import Output
from farense_worker.protocol.errors import ExitCode, FarenseError, refused
from farense_worker.protocol.run_folder import RunFolder, full


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """As much of a run as waits; it is told to stop."""
    folder = RunFolder(tmp_path)
    output = Output(os.open(folder.events, os.O_WRONLY | os.O_CREAT), folder.events)
    asked = SimpleNamespace(stop=True)
    return SimpleNamespace(
        folder=folder, output=output, waited=0.0, control=SimpleNamespace(asked=asked)
    )


def test_a_stop_saves_once_more_where_there_is_space_again(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [0, 1 << 30]
    monkeypatch.setattr(shortage, "free_space", lambda _: free.pop(0))
    shortage.wait_for_disk(run, full(run.folder.path))
    free[:] = [0, 0]
    with pytest.raises(FarenseError, match="no space") as caught:
        shortage.wait_for_disk(run, full(run.folder.path))
    assert caught.value.exit_code == ExitCode.FAILED
    assert str(caught.value) == str(full(run.folder.path))


def test_a_wait_is_told_once_however_long_it_takes(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [0, 1 << 30] * 2
    monkeypatch.setattr(shortage, "free_space", lambda _: free.pop(0))
    shortage.wait_for_disk(run, full(run.folder.path))
    said = run.folder.events.read_bytes()
    assert b"disk_full" in said
    shortage.wait_for_disk(run, full(run.folder.path), told=True)
    assert run.folder.events.read_bytes() == said


def test_what_is_no_full_disk_fails_and_refuses_nothing(run: Any) -> None:
    """A refusal would take the run away, with its checkpoints."""
    with pytest.raises(FarenseError, match="cannot write") as caught:
        shortage.wait_for_disk(run, refused("cannot write", kind="not_writable"))
    assert caught.value.exit_code == ExitCode.FAILED
