"""What a run asks at its validations where no prompts are named: questions of its own data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from farense_worker.protocol import own_questions
from farense_worker.protocol.settings import profile_file
from farense_worker.protocol.settings.profile import Data, Profile, Report

from farense_tui.engine.models.assets import asset
from farense_tui.engine.profiles import catalogue
from tests.tokenizers import chat, write

SYSTEM = {"messages": [{"role": "system", "content": "s"}, *chat("under", "b")["messages"]]}
BLIND = {"messages": [{"role": "user", "content": [{"type": "text", "text": "a part"}]}]}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([chat("one", "b"), chat("two", "b"), chat("three", "b")], ("one", "two")),
        ([chat("one", "b"), chat(" one ", "c"), chat("two", "b")], ("one", "two")),
        ([chat("one", "b", "then", "c")], ("one",)),
        ([{"prompt": "one", "completion": "b"}], ("one",)),
        ([SYSTEM], ("under",)),
        ([chat("x" * 41, "b"), chat("x" * 40, "b")], ("x" * 40,)),
        ([chat("", "b"), BLIND, "not JSON\n", chat("two", "b")], ("two",)),
        ([{"text": "one"}], ()),
        ([], ()),
    ],
    ids=json.dumps,
)
def test_what_is_asked(tmp_path: Path, rows: list[object], expected: tuple[str, ...]) -> None:
    write(tmp_path / "train.jsonl", *rows)
    assert own_questions.of_data(tmp_path, 2, longest=40) == expected


def test_rows_that_are_not_trained_on_are_asked_first(tmp_path: Path) -> None:
    def asked() -> tuple[str, ...]:
        return own_questions.of_data(tmp_path, 1, longest=40)

    assert asked() == ()
    for split in ("train", "valid", "test"):
        write(tmp_path / f"{split}.jsonl", chat(split, "b"))
        assert asked() == (split,)
    write(tmp_path / "test.jsonl", {"text": "no question"})
    assert asked() == ("valid",)
    assert own_questions.of_data(tmp_path, 0, longest=40) == ()


def test_prompts_that_are_named_are_asked_alone(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", chat("own", "b"))
    data = Data(path=str(tmp_path))
    for named, expected in (("named",), ("named",)), ((), ("own",)):
        profile = Profile(data=data, report=Report(prompts=named, questions=1))
        assert own_questions.prompts(profile) == expected


def test_no_profile_of_ours_asks_others_data_about_farense() -> None:
    names = [path.stem for path in asset("profiles").glob("*.toml")]
    assert names
    for name in names:
        report = catalogue.get(name).report
        assert not report.prompts
        assert report.questions


def test_an_older_run_asks_what_it_asked() -> None:
    old = Path(__file__).parent / "old_runs" / "first" / "config.toml"
    config = profile_file.load_config(old, "")
    assert own_questions.prompts(config) == ("Quem é o 1?",)
    assert config.report.questions == 0
