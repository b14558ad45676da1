"""Reading a record while it grows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.messages.events import Notice, Phase, encode
from hypothesis import given
from hypothesis import strategies as st

from farense_tui.engine.record.tail import Tail


def line(seq: int, text: str = "") -> bytes:
    return encode(Notice(level="info", code="x", message=text, seq=seq))


def seqs(tail: Tail) -> list[int]:
    return [event.seq for event in tail.read_all()]


def test_a_file_that_is_not_there_yet_has_nothing_to_read(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "events.jsonl")
    assert tail.read() == []
    tail.path.write_bytes(line(1))
    assert seqs(tail) == [1]


def test_what_is_added_is_read_once(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "events.jsonl")
    with tail.path.open("ab", buffering=0) as file:
        for seq in range(1, 6):
            file.write(line(seq))
            assert seqs(tail) == [seq]
            assert seqs(tail) == []


def test_a_line_without_its_end_waits(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "events.jsonl")
    whole = line(1, "é")
    with tail.path.open("ab", buffering=0) as file:
        for at in range(len(whole) - 1):
            file.write(whole[at : at + 1])
            assert tail.read() == []
            assert tail.pending == at + 1
        file.write(b"\n")
        assert seqs(tail) == [1]
    assert tail.pending == 0


def test_lines_that_are_no_events_are_counted_and_passed_over(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "events.jsonl")
    tail.path.write_bytes(line(1) + b'{"type":"step","ti\n' + b"\n" + b"\0\0\n" + line(2))
    assert seqs(tail) == [1, 2]
    assert tail.unreadable == 2  # an empty line is no line


def test_an_event_of_a_later_version_is_passed_over_and_no_damage(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "events.jsonl")
    later = b'{"type":"weather","time":1.0,"seq":2,"degrees":31}\n'
    tail.path.write_bytes(line(1) + later + line(3) + b'{"type":"step","seq":4}\n' + line(5))
    assert seqs(tail) == [1, 3, 5]
    assert (tail.unreadable, tail.damaged) == (2, 1)


def test_a_line_that_a_kill_has_torn_is_no_damage_and_any_other_is(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "events.jsonl")
    starting = encode(Phase(name="starting", seq=2))
    with tail.path.open("ab", buffering=0) as file:
        file.write(line(1) + b'{"type":"st\n')
        assert seqs(tail) == [1]
        assert (tail.unreadable, tail.damaged) == (1, 0)  # nobody knows yet
        file.write(starting + line(3))
        assert seqs(tail) == [2, 3]
        assert (tail.unreadable, tail.damaged) == (1, 0)
        file.write(b'{"type":"st\n' + line(4) + b"\0\n\0\n" + starting)
        assert seqs(tail) == [4, 2]
        assert (tail.unreadable, tail.damaged) == (4, 2)


def test_lines_come_as_they_stand_in_the_file(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "events.jsonl")
    unknown = b'{"type":"weather","sun":1}'
    tail.path.write_bytes(line(1) + unknown + b"\n")
    assert tail.read_lines() == [
        (line(1)[:-1], Notice(level="info", code="x", message="", seq=1)),
        (unknown, None),
    ]


@given(st.integers(1, 500), st.lists(st.text(max_size=80), max_size=20))
def test_the_size_of_a_look_changes_nothing(
    tmp_path_factory: object, most: int, texts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("tail") / "events.jsonl"  # type: ignore[attr-defined]
    path.write_bytes(b"".join(line(seq, text) for seq, text in enumerate(texts)))
    tail = Tail(path)
    found = []
    while tail.offset < path.stat().st_size:
        found += tail.read(most)
    assert [event.message for event in found if isinstance(event, Notice)] == texts


def test_a_huge_record_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with path.open("wb") as file:
        for seq in range(100_000):
            file.write(encode(Phase(name="training", seq=seq)))
    assert path.stat().st_size > 5 << 20
    assert seqs(Tail(path)) == list(range(100_000))


def test_what_is_longer_than_a_look_does_not_end_the_reading(tmp_path: Path) -> None:
    """Nor do lines that are no events, many as they are."""
    tail = Tail(tmp_path / "events.jsonl")
    long = line(2, "x" * (10 << 20))
    junk = b"\0" * (10 << 20) + b"\n" + b"?\n" * (1 << 17)
    tail.path.write_bytes(line(1) + long + line(3) + junk + line(4))
    assert seqs(tail) == [1, 2, 3, 4]


def test_of_a_text_that_nobody_could_read_to_its_end_the_beginning_is_kept(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "events.jsonl")
    tail.path.write_bytes(line(1, "x" * (1 << 20)) + line(2, "x" * 8000))
    long, whole = tail.read_all()
    assert isinstance(long, Notice)
    assert isinstance(whole, Notice)
    assert long.message == "x" * 7999 + "…"
    assert whole.message == "x" * 8000
    assert Tail(tail.path).read_lines()[0][1] == long


@pytest.mark.parametrize("what", [b"\0", b"{\n"])
def test_what_is_no_record_is_not_read_to_its_end(tmp_path: Path, what: bytes) -> None:
    """It may be as long as a disk: a file with holes takes no space for that."""
    tail = Tail(tmp_path / "events.jsonl")
    tail.path.write_bytes(line(1) + what * (1 << 20))
    os.truncate(tail.path, 1 << 40)
    assert [event.seq for event in tail.read()] == [1]
    with pytest.raises(FarenseError, match="no event in 32 MiB"):
        tail.read_all()
    assert tail.read_lines() == []
    assert tail.pending <= 33 << 20
    tail.path.write_bytes(line(2))
    assert seqs(tail) == [2]


def test_a_record_that_was_cut_off_is_read_anew(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "events.jsonl")
    tail.path.write_bytes(line(1) + line(2) + b"{")
    assert seqs(tail) == [1, 2]
    tail.path.write_bytes(line(3))
    assert seqs(tail) == [3]
    assert tail.cut
