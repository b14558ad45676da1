"""Why a disk takes nothing, whatever the reason is, and what is said of a run on it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.cli.running import headless
from farense_tui.engine.runs import disk_fault
from farense_tui.engine.runs.death import explain, explain_exit, why
from farense_tui.engine.runs.disk_fault import Quiet, takes_nothing
from farense_tui.engine.runs.disk_fault import disk_fault as fault_of


def failing(monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> None:
    def fails(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(disk_fault.os, call, fails)  # type: ignore[attr-defined]


def test_a_disk_that_takes_what_is_written_has_none_and_nothing_is_left(tmp_path: Path) -> None:
    assert fault_of(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["open", "fsync"])
@pytest.mark.parametrize("number", [errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE])
def test_what_the_system_says_is_told_at_the_end_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    """The worker could not: its record and its log are there."""
    failing(monkeypatch, call, number)
    folder = RunFolder(tmp_path)
    found = explain_exit(3, folder)
    assert os.strerror(number) in found.detail
    assert str(tmp_path) in f"{found.title} {found.detail}"
    assert "probe" not in str(found)
    assert takes_nothing(tmp_path) is (number == errno.EDQUOT)
    assert os.strerror(number) in fault_of(tmp_path).detail  # type: ignore[union-attr]
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_another_user_has_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, "open", errno.EACCES)
    assert fault_of(tmp_path) is None


def test_a_folder_that_is_gone_is_why_the_worker_ended(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    found = explain_exit(1, folder)
    assert found.title == "the folder of the run is gone"
    assert "disk was taken away" in found.detail
    assert "Nothing can be written there" in why(folder, "killed")[1]


def test_a_folder_that_cannot_be_looked_at_is_not_called_gone(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / ("x" * 300))
    assert "File name too long" in fault_of(folder.path).detail  # type: ignore[union-attr]
    assert explain(folder, "killed").title.startswith("cannot write")
    assert not takes_nothing(folder.path)


def test_a_record_that_does_not_grow_is_quiet(tmp_path: Path) -> None:
    quiet, record = Quiet(), tmp_path / "events.jsonl"
    assert [quiet.look(record, at) for at in (0.0, 2.0, 3.0)] == [False, False, True]
    record.write_bytes(b"{}\n")
    assert [quiet.look(record, at) for at in (4.0, 6.0, 7.0)] == [False, False, True]


def test_a_quota_is_told_of_a_quiet_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The system counts free space, and this user may have none of it."""
    monkeypatch.setattr(headless, "_DISK_POLL", 0.0)
    monkeypatch.setattr(Quiet, "_AFTER", -1.0)
    disk = headless._Disk(RunFolder(tmp_path))
    disk.look()
    assert capsys.readouterr().err == ""
    failing(monkeypatch, "fsync", errno.EDQUOT)
    disk.look()
    disk.look()
    assert capsys.readouterr().err.count("no space on the disk") == 1
