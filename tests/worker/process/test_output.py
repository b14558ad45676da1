"""The record: every event once, in order, whatever the disk and the reader do."""

from __future__ import annotations

import errno
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from farense_worker.process.output import Output
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.messages.events import AnyEvent, Heartbeat, Notice, Phase
from farense_worker.protocol.processes.programs import program
from hypothesis import given
from hypothesis import strategies as st

from farense_tui.engine.record.tail import Tail
from tests.real_runs import RunMaker

BEAT = Heartbeat(phase="training", step=1, rss=1, active_memory=1, cache_memory=1)


def note(text: str) -> Notice:
    return Notice(level="info", code="test", message=text)


def messages(path: Path) -> list[str]:
    return [event.message for event in read(path) if isinstance(event, Notice)]


def read(path: Path) -> list[AnyEvent]:
    """Read the record, in which every line must be whole and every seq the next one."""
    tail = Tail(path)
    events = tail.read_all()
    assert tail.unreadable == 0
    assert tail.pending == 0
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    return events


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


Opened = Callable[[], Output]


@pytest.fixture
def opened(path: Path) -> Iterator[Opened]:
    """Open the record as a launcher does, and make an Output on it, as each new worker does."""
    descriptors: list[int] = []

    def open_() -> Output:
        descriptors.append(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT))
        return Output(descriptors[-1], path)

    yield open_
    for descriptor in descriptors:
        os.close(descriptor)


def test_seq_and_time_are_set_and_go_on_in_the_next_worker(path: Path, opened: Opened) -> None:
    for worker in range(3):
        output = opened()
        output.emit(note(f"{worker} a"))
        output.emit(note(f"{worker} b"))
    events = read(path)
    assert [event.seq for event in events] == [1, 2, 3, 4, 5, 6]
    assert events[0].time > 1e9
    assert messages(path) == ["0 a", "0 b", "1 a", "1 b", "2 a", "2 b"]


def test_a_phase_is_told_once(path: Path, opened: Opened) -> None:
    output = opened()
    for name in ("starting", "training", "training", "saving", "training"):
        output.enter(name)
    names = [event.name for event in read(path) if isinstance(event, Phase)]
    assert names == ["starting", "training", "saving", "training"]


@given(st.data())
def test_a_line_torn_anywhere_is_closed_and_seq_goes_on(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("torn") / "events.jsonl"
    record = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        before = Output(record, path)
        before.emit(note("um"))
        before.emit(note("dois – é"))
        raw = path.read_bytes()
        second = raw.index(b"\n") + 1
        cut = max(second, len(raw) - data.draw(st.integers(0, 120)))
        os.ftruncate(record, cut)
        Output(record, path).emit(note("três"))
    finally:
        os.close(record)
    tail = Tail(path)
    events = tail.read_all()
    # without its line end the second event does not count, even where only that is missing
    whole = cut == len(raw)
    kept = 2 if whole or cut == len(raw) - 1 else 1
    assert [event.seq for event in events] == list(range(1, kept + 2))
    assert events[-1].message == "três"  # type: ignore[union-attr]
    assert tail.unreadable == (second < cut < len(raw) - 1)


def test_what_the_disk_left_after_a_power_loss_is_passed_over(path: Path, opened: Opened) -> None:
    opened().emit(note("um"))
    with path.open("ab") as file:
        file.write(b"\0" * 5000)
    opened().emit(note("dois"))
    tail = Tail(path)
    assert [event.seq for event in tail.read_all()] == [1, 2]
    assert tail.unreadable == 1


def test_the_end_of_a_huge_record_is_found(path: Path, opened: Opened) -> None:
    first = opened()
    for _ in range(3):
        first.emit(note("x" * (1 << 20)))
    opened().emit(note("last"))
    assert read(path)[-1].seq == 4


def test_a_pipe_is_a_record_as_well(path: Path) -> None:
    reader, writer = os.pipe()
    output = Output(writer, path)
    output.emit(note("um"))
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        assert b'"seq":1' in file.read()
    assert not path.exists()


def test_a_record_that_cannot_be_read_is_told_in_words(make_run: RunMaker) -> None:
    folder = make_run()
    folder.events.symlink_to(folder.events)
    command = program("farense_worker", str(folder.path))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.FAILED
    assert done.stderr.startswith(f"cannot read {folder.events}\n")
    assert "Traceback" not in done.stderr


class Disk:
    """Stands in for os.write: gives way in pieces, and has no space while `full`."""

    def __init__(self, piece: int = 1 << 30, error: int = errno.ENOSPC) -> None:
        """Write at most `piece` bytes at once."""
        self.full = False
        self.left = 0
        self._piece = piece
        self.error = error
        self._write = os.write

    def write(self, descriptor: int, data: bytes) -> int:
        """Write as much as there is space for."""
        size = min(len(data), self._piece, self.left if self.full else len(data))
        if self.full:
            self.left -= size
        if not size:
            raise OSError(self.error, os.strerror(self.error))
        return self._write(descriptor, data[:size])


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_on_a_full_disk_nothing_is_lost_and_the_order_is_kept(
    path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    disk = Disk(error=error)
    monkeypatch.setattr(os, "write", disk.write)
    output = opened()
    output.emit(note("before"))
    disk.full, disk.left = True, 17  # the line is torn there
    for number in range(20):
        output.emit(note(str(number)))
        output.emit(BEAT)
    assert messages_whole(path) == ["before"]
    disk.full = False
    output.emit(note("after"))
    output.emit(BEAT)
    assert messages(path) == ["before", *map(str, range(20)), "after"]
    assert sum(isinstance(event, Heartbeat) for event in read(path)) == 1  # only the last


def messages_whole(path: Path) -> list[str]:
    """Read what a reader sees of a record whose last line is torn."""
    tail = Tail(path)
    events = tail.read_all()
    assert tail.pending == 17
    return [event.message for event in events if isinstance(event, Notice)]


def test_a_heartbeat_brings_the_backlog_to_the_disk_once_there_is_space(
    path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that pauses or waits for space says nothing else: it was taken for a dead one."""
    disk = Disk()
    monkeypatch.setattr(os, "write", disk.write)
    output = opened()
    disk.full = True
    output.enter("paused")
    output.emit(BEAT)
    assert read(path) == []
    disk.full = False
    output.emit(BEAT)
    assert [type(event) for event in read(path)] == [Phase, Heartbeat]


def test_an_error_that_a_heartbeat_meets_with_what_is_kept_back_is_raised_by_the_next_event(
    path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk()
    monkeypatch.setattr(os, "write", disk.write)
    output = opened()
    disk.full = True
    output.emit(note("um"))
    disk.error = errno.EIO
    output.emit(BEAT)
    with pytest.raises(FarenseError, match="cannot write"):
        output.emit(note("dois"))
    assert read(path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_a_device_that_is_really_full(path: Path) -> None:
    record = os.open("/dev/full", os.O_WRONLY)
    output = Output(record, path)
    for number in range(5):
        output.emit(note(str(number)))
    # Space again: the same descriptor now leads to a file.
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(file, record)
    os.close(file)
    output.emit(note("5"))
    os.close(record)
    assert messages(path) == ["0", "1", "2", "3", "4", "5"]


def test_a_worker_that_starts_on_a_full_disk_closes_the_torn_line_later(
    path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened().emit(note("um"))
    with path.open("ab") as file:
        file.write(b'{"type":"notice","ti')
    disk = Disk()
    disk.full = True
    monkeypatch.setattr(os, "write", disk.write)
    output = opened()
    output.emit(note("dois"))
    disk.full = False
    output.emit(note("três"))
    tail = Tail(path)
    events = tail.read_all()
    assert [event.seq for event in events] == [1, 2, 3]
    assert tail.unreadable == 1


@pytest.mark.parametrize("piece", [1, 7, 100])
def test_what_is_written_in_pieces_is_whole(
    path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(os, "write", Disk(piece).write)
    output = opened()
    for number in range(5):
        output.emit(note(str(number)))
    assert messages(path) == ["0", "1", "2", "3", "4"]


def test_a_reader_that_has_gone_away_does_not_end_the_training(
    path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    output = Output(writer, path)
    for number in range(5):
        output.emit(note(str(number)))
    os.close(writer)
    assert capfd.readouterr().err == "worker: nobody reads the events any more\n"


def test_another_error_of_the_disk_is_raised_once(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then its owner tells that it failed, which has nowhere to go either."""
    output = opened()
    disk = Disk(error=errno.EIO)
    disk.full = True
    monkeypatch.setattr(os, "write", disk.write)
    with pytest.raises(FarenseError, match="cannot write") as caught:
        output.emit(note("um"))
    assert caught.value.detail == os.strerror(errno.EIO)
    output.emit(note("dois"))


def test_a_record_that_only_a_heartbeat_could_not_write_ends_the_training_too(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The thread ended by it, and the training went on to its end, unseen."""
    output = opened()
    disk = Disk(error=errno.EIO)
    disk.full = True
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", disk.write)
        output.emit(BEAT)
        output.emit(BEAT)
    assert "cannot write" in capfd.readouterr().err
    with pytest.raises(FarenseError, match="cannot write") as caught:
        output.emit(note("um"))
    assert caught.value.exit_code == ExitCode.FAILED
    output.emit(note("dois"))  # what its owner tells of it goes nowhere


def test_many_threads_write_whole_lines(path: Path, opened: Opened) -> None:
    output = opened()
    threads = [
        threading.Thread(target=lambda n=n: list(map(output.emit, [note(f"{n}" * 300)] * 50)))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = read(path)
    assert len(events) == 400
    assert all(a.time <= b.time for a, b in itertools.pairwise(events))


def test_what_else_is_printed_goes_to_stderr(path: Path) -> None:
    """Also by a child, and by native code that writes to descriptor 1."""
    code = """
import os, subprocess, sys
from farense_worker.process.output import Output, claim_stdout
from farense_worker.protocol.messages.events import Phase
from pathlib import Path
record = claim_stdout()
print("printed")
os.write(1, b"native\\n")
subprocess.run(["echo", "child"])
Output(record, Path(sys.argv[1])).emit(Phase(name="training"))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith('{"type":"phase"')
    assert done.stdout.count("\n") == 1
    assert set(done.stderr.split()) >= {"printed", "native", "child"}
