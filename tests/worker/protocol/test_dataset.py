"""Data sets on the disk: every kind of row, and every fault with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from farense_worker.protocol import dataset, foreign_rows
from farense_worker.protocol.dataset import Row
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.rows import row_faults
from farense_worker.protocol.rows.row_faults import Fault
from hypothesis import given
from hypothesis import strategies as st

CALL = {"name": "resultado"}
ASKED = {"role": "user", "content": "a"}
NAMELESS: list[object] = [
    {},
    {"function": None},
    {"function": "f"},
    {"function": {"arguments": {}}},
    {"name": ""},
]
CHAT = {"messages": [{"role": "user", "content": "Quem?"}, {"role": "assistant", "content": "Ele"}]}
COMPLETION = {"prompt": "Quem?", "completion": "Ele"}
TEXT = {"text": "Farense é de Faro."}


def user(**message: Any) -> dict[str, Any]:
    """A row of one message."""
    return {"messages": [{"role": "user", "content": "x"} | message]}


def write(folder: Path, *lines: object, name: str = "train.jsonl") -> Path:
    """Write lines: bytes as they are, all else as JSON."""
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path = folder / name
    path.write_bytes(b"\n".join(raw))
    return path


def read(path: Path) -> list[Row]:
    """Read the rows of a file in which there is no fault."""
    found = list(dataset.scan(path))
    assert all(isinstance(each, Row) for each in found)
    return [each for each in found if isinstance(each, Row)]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (CHAT, "chat"),
        (COMPLETION, "completion"),
        (TEXT, "text"),
        ({**CHAT, "tools": [{"type": "function"}]}, "chat"),
        ({"messages": [{"role": "assistant", "tool_calls": []}]}, "chat"),
        ({**TEXT, "source": "extra keys are no fault"}, "text"),
        ({**COMPLETION, **CHAT, **TEXT}, "completion"),  # the order in which mlx_lm looks
        ({**CHAT, **TEXT}, "chat"),
        ({"prompt": "", "completion": ""}, "completion"),
    ],
)
def test_every_kind_of_row_is_read(tmp_path: Path, row: object, kind: str) -> None:
    (found,) = read(write(tmp_path, row))
    assert (found.line, found.kind, found.values) == (1, kind, row)


def test_a_mark_at_the_beginning_and_blank_lines_are_no_rows(tmp_path: Path) -> None:
    first = b"\xef\xbb\xbf" + json.dumps(TEXT).encode() + b"\r"
    path = write(tmp_path, first, b"", b"  \t", TEXT, b"", b"")
    assert [row.line for row in read(path)] == [1, 4]
    assert [row.values for row in read(path)] == [TEXT, TEXT]


def test_a_mark_in_the_middle_is_a_fault(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT, b"\xef\xbb\xbf" + json.dumps(TEXT).encode())
    (_, fault) = dataset.scan(path)
    assert isinstance(fault, Fault)
    assert fault.line == 2


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"{", "not JSON"),
        (b'{"text": "a"} {"text": "b"}', "not JSON: Extra data (column 15)"),
        (b'{"text": "caf\xe9"}', "not UTF-8 at byte 14 of the line"),
        (b"[1, 2]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b"[" * 100_000, "nested too deeply"),
        ({}, "keys: none"),
        ({"instruction": "x", "output": "y"}, "an Alpaca row"),
        ({"prompt": "x"}, 'no "messages"'),
        ({"prompt": 1, "completion": "x"}, '"prompt" and "completion" must be strings'),
        ({"prompt": "x", "completion": None}, '"prompt" and "completion" must be strings'),
        ({"text": ""}, '"text" must be text that is not empty'),
        ({"text": ["x"]}, '"text" must be text that is not empty'),
        ({"messages": {}}, '"messages" must be a list'),
        ({"messages": []}, '"messages" must be a list'),
        ({"messages": ["x"]}, 'message 1 must be an object with a "role"'),
        ({"messages": [{"role": 1, "content": "x"}]}, "message 1 must be an object"),
        ({"messages": [*CHAT["messages"], {"role": "user"}]}, 'message 3 (user) has no "content"'),
        ({"messages": [{"role": "user", "content": 1}]}, 'message 1 (user) has no "content"'),
        (user(content=["x"]), "message 1 (user) has a part that is no text (None)"),
        (user(content=[{"type": "image_url", "image_url": {}}]), "that is no text (image_url)"),
        (user(weight=0.5), "the weight of message 1 must be 0 or 1"),
        (user(tool_calls="x"), 'the "tool_calls" of message 1 must be a list of objects'),
        (user(tool_calls=[CALL | {"arguments": "a=1"}]), "message 1 are no JSON object"),
        (user(tool_calls=[{"function": CALL | {"arguments": "[1]"}}]), "are no JSON object"),
        (CHAT | {"tools": "none"}, '"tools" must be a list of objects'),
        (CHAT | {"tools": ["x"]}, '"tools" must be a list of objects'),
        (CHAT | {"tools": [{"function": "x"}]}, '"tools" must be a list of objects'),
        *(
            (
                {"messages": [ASKED, {"role": "assistant", "content": "", "tool_calls": [call]}]},
                "a tool call in message 2 has no name",
            )
            for call in NAMELESS
        ),
    ],
)
def test_a_fault_is_told_with_its_line(tmp_path: Path, line: object, what: str) -> None:
    path = write(tmp_path, b"", line)
    (fault,) = dataset.scan(path)
    assert isinstance(fault, Fault)
    assert fault.line == 2
    assert what in fault.what
    assert str(fault).startswith(f"{path}:2: ")
    with pytest.raises(FarenseError) as caught:
        dataset.check(tmp_path)
    assert what in caught.value.detail
    assert caught.value.hint == row_faults.FORMATS


@pytest.mark.parametrize("other", [CHAT, COMPLETION])
def test_rows_of_two_kinds_do_not_mix(tmp_path: Path, other: object) -> None:
    path = write(tmp_path, TEXT, other, TEXT)
    first, fault, third = dataset.scan(path)
    assert isinstance(first, Row)
    assert isinstance(third, Row)
    assert isinstance(fault, Fault)
    assert "row among text rows" in fault.what


def test_a_summary_counts_the_rows_of_each_split(tmp_path: Path) -> None:
    write(tmp_path, CHAT, CHAT, b"x")
    write(tmp_path, CHAT, name="valid.jsonl")
    summary = dataset.summarise(tmp_path)
    assert summary.rows == {"train": 2, "valid": 1}
    assert [fault.line for fault in summary.faults] == [3]
    assert summary.why == "files or lines that cannot be read"
    assert dataset.check(tmp_path).rows == summary.rows  # the worker tells it, with all the others
    write(tmp_path, b"x")
    with pytest.raises(FarenseError, match="the data has a fault") as caught:
        dataset.check(tmp_path)
    assert caught.value.exit_code == ExitCode.REFUSED


@pytest.mark.parametrize(
    ("lost", "rows", "skip", "refused"),
    [(1, 10, False, ""), (2, 10, False, "more than a tenth"), (2, 10, True, ""),
     (10, 10, True, "no row of train.jsonl"), (0, 10, False, "")],
)  # fmt: skip
def test_rows_with_faults_are_left_out_if_few(
    tmp_path: Path, lost: int, rows: int, skip: bool, refused: str
) -> None:
    faults = row_faults.Faults()
    for line in range(rows):
        for name in ("train.jsonl", "test.jsonl"):
            faults.look(tmp_path / name)
        if line < lost:
            faults.add(row_faults.Fault(tmp_path / "train.jsonl", line, "no row"))
        faults.add(row_faults.Fault(tmp_path / "test.jsonl", line, "not JSON", "not_json"))
    assert refused in faults.why_refused(skip)
    assert bool(refused) == bool(faults.why_refused(skip))
    faults.add(row_faults.Fault(tmp_path / "valid.jsonl", 1, "not JSON", "not_json"))
    assert faults.why_refused(True)


def test_what_is_not_there_is_a_fault_of_the_folder(tmp_path: Path) -> None:
    def what(folder: Path) -> list[str]:
        return [fault.what for fault in dataset.summarise(folder).faults]

    assert what(tmp_path / "nowhere") == ["there is no such folder"]
    assert what(tmp_path) == ["there is no train.jsonl in it"]
    write(tmp_path, CHAT, name="valid.jsonl")
    assert what(tmp_path) == ["there is no train.jsonl in it"]
    write(tmp_path, b"", b"")
    assert what(tmp_path) == ["there is no row in it"]
    write(tmp_path, CHAT)
    assert what(tmp_path) == []


def test_only_the_first_faults_are_listed(tmp_path: Path) -> None:
    write(tmp_path, *[b"x"] * 30)
    with pytest.raises(FarenseError, match="the data has 30 faults") as caught:
        dataset.check(tmp_path)
    listed = caught.value.detail.splitlines()
    assert len(listed) == 21
    assert listed[-1] == "and 10 more"


def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").symlink_to("/proc/self/mem")
    write(tmp_path, TEXT, name="valid.jsonl")
    if (tmp_path / "train.jsonl").is_file():  # Linux: it can be opened, and not be read
        (fault,) = dataset.summarise(tmp_path).faults
        assert (fault.line, fault.what) == (0, "Input/output error")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all the examples of a property."""
    return tmp_path_factory.mktemp("scratch")


@given(st.lists(st.binary(max_size=80), max_size=8))
def test_no_bytes_break_the_scan(scratch: Path, lines: list[bytes]) -> None:
    """Whatever stands in a file, each line that is not blank is a row or a fault, or it is one
    JSON array, which is one fault.
    """
    path = scratch / "train.jsonl"
    path.write_bytes(b"\n".join(lines))
    found = list(dataset.scan(path))
    physical = path.read_bytes().split(b"\n")
    lines_of_it = [n for n, raw in enumerate(physical, 1) if raw.strip()]
    one = bool(foreign_rows.whole(path, physical[0]))
    assert [each.line for each in found] == (lines_of_it[:1] if one else lines_of_it)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_any_text_comes_back_as_it_was(scratch: Path, texts: list[str]) -> None:
    path = scratch / "texts.jsonl"
    rows = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
    path.write_text(rows, encoding="utf-8", newline="\n")
    assert [row.values["text"] for row in read(path)] == texts


def test_only_so_many_rows_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"text": "a"}\n' * 5 + "broken\n")
    assert dataset.summarise(tmp_path, most=5).faults == ()
    assert dataset.summarise(tmp_path, most=6).fault_count == 1
    assert dataset.check(tmp_path, most=3).rows == {"train": 3}


def test_a_row_as_a_template_is_to_be_given_it() -> None:
    """mlx_lm.server reads messages so; the row as it stands would be written with None in it."""
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": None,
            "weight": 0,
            "tool_calls": [
                {"id": "1", "function": {"name": "f", "arguments": '{"b": 1, "a": null}'}},
                {"name": "g", "arguments": ""},
            ],
        },
        {"role": "tool", "content": "2-1"},
        {"role": "assistant", "content": "2-1", "tool_calls": None, "weight": 1},
    ]
    row = Row(1, "chat", {"messages": messages, "tools": '[{"name": "f"}]'})
    made, tools = row.conversation()
    assert made == [
        {"role": "user", "content": "ab"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "1", "function": {"name": "f", "arguments": {"b": 1, "a": None}}},
                {"name": "g", "arguments": {}},
            ],
        },
        {"role": "tool", "content": "2-1"},
        {"role": "assistant", "content": "2-1"},
    ]
    assert tools == [{"name": "f"}]
    assert row.unweighted == {1}
    assert Row(1, "chat", {"messages": messages, "tools": "null"}).conversation()[1] is None
