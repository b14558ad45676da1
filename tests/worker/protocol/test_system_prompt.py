"""The system prompt that the rows of a data set have in common, if they have one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from farense_worker.protocol import system_prompt
from farense_worker.protocol.settings.profile import Data

from tests.tokenizers import chat, write


def under(system: str, *turns: str) -> dict[str, object]:
    row = chat(*turns)
    row["messages"].insert(0, {"role": "system", "content": system})
    return row


ROW = chat("a", "b")
PAIR = {"prompt": "a", "completion": "b"}
NO_CONTENT = {"messages": [{"role": "system", "tool_calls": []}, *chat("a", "b")["messages"]]}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([under("s", "a", "b"), under("s", "c", "d")], "s"),
        ([under("s", "a", "b"), under("t", "c", "d")], None),
        ([under("s", "a", "b"), ROW], None),
        ([ROW, under("s", "a", "b")], None),
        ([under("", "a", "b")], ""),
        ([ROW], None),
        ([PAIR], None),
        ([{"text": "a"}], None),
        ([NO_CONTENT], None),
        ([under("s", "a", "b"), "not JSON\n"], "s"),
        ([], None),
    ],
    ids=json.dumps,
)
def test_what_the_rows_have_in_common(
    tmp_path: Path, rows: list[object], expected: str | None
) -> None:
    write(tmp_path / "train.jsonl", *rows)
    assert system_prompt.of_training(Data(str(tmp_path))) == expected


def test_no_file_has_none(tmp_path: Path) -> None:
    assert system_prompt.of_training(Data(str(tmp_path))) is None


def test_the_first_thousand_rows_tell(tmp_path: Path) -> None:
    many = [under("s", "a", "b")] * system_prompt.LOOKED_AT
    write(tmp_path / "train.jsonl", *many, ROW)
    assert system_prompt.of_training(Data(str(tmp_path))) == "s"
    write(tmp_path / "train.jsonl", *many[1:], ROW)
    assert system_prompt.of_training(Data(str(tmp_path))) is None


def test_several_data_sets_agree_or_not(tmp_path: Path) -> None:
    one, two, other, none = (Data(str(tmp_path / name)) for name in ("one", "two", "other", "none"))
    for data, row in ((one, "s"), (two, "s"), (other, "t")):
        write(Path(data.path) / "train.jsonl", under(row, "a", "b"))
    assert system_prompt.shared([one, two]) == ("s", True)
    assert system_prompt.shared([one, other]) == (None, False)
    assert system_prompt.shared([one, none]) == (None, False)
    assert system_prompt.shared([none]) == (None, True)
