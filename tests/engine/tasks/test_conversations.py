"""What is kept of conversations, and what is collected from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.messages.conversation import Setup
from farense_worker.protocol.messages.evaluation import Adapter

from farense_tui.engine.tasks.conversations import Keeper, Turn


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    (tmp_path / "runs" / "club" / "adapters").mkdir(parents=True)
    return Setup("m", (Adapter("club", str(tmp_path / "runs" / "club" / "adapters")),))


def test_a_conversation_is_kept_and_taken_up(setup: Setup) -> None:
    keeper = Keeper(setup)
    keeper.add(Turn("Quem?", {"": "a", "club": " b\n"}), "És um adepto.")
    keeper.add(Turn("E?", {"": "c", "club": "d"}), "És um adepto.")
    keeper.begin()
    keeper.add(Turn("Outra", {"": "e", "club": "f"}), None)
    newest, first = Keeper(setup).saved()
    assert newest.turns == (Turn("Outra", {"": "e", "club": "f"}),)
    assert first.system == "És um adepto."
    said = [("user", "Quem?"), ("assistant", "b"), ("user", "E?"), ("assistant", "d")]
    assert first.before()["club"] == said
    keeper.begin(first.turns, first.time)
    keeper.add(Turn("Mais", {"": "g", "club": "h"}), None)
    assert [len(each.turns) for each in Keeper(setup).saved()] == [1, 3]


def test_files_that_are_no_conversations_are_passed_over(setup: Setup, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "club" / "conversations"
    folder.mkdir()
    for name, text in (("a", ""), ("b", "[" * 100_000), ("c", '{"time": 1, "turns": []}')):
        (folder / f"{name}.json").write_text(text)
    (folder / "d.json").mkdir()
    assert Keeper(setup).saved() == []


def test_a_corrected_answer_is_a_row(setup: Setup, tmp_path: Path) -> None:
    keeper = Keeper(setup)
    path, rows = keeper.collect("Quem?", 'Ele, "o 9".\nSim.', None)
    assert (path, rows) == (tmp_path / "collected" / "club" / "train.jsonl", 1)
    with path.open("a") as file:
        file.write("torn")
    assert keeper.collect("E?", "Ela.", "Sê breve.")[1] == 3
    first, _torn, last = path.read_text(encoding="utf-8").splitlines()
    assert [turn["role"] for turn in json.loads(first)["messages"]] == ["user", "assistant"]
    assert json.loads(first)["messages"][1]["content"] == 'Ele, "o 9".\nSim.'
    assert json.loads(last)["messages"][0] == {"role": "system", "content": "Sê breve."}


def test_a_corrected_answer_stands_after_what_was_said_before(setup: Setup) -> None:
    """A later question means little alone; what the model said is not trained on."""
    keeper = Keeper(setup)
    keeper.begin()
    keeper.add(Turn("Quem?", {"": "Eu.", "club": "Ele.\n"}), None)
    keeper.add(Turn("E antes?", {"": "?", "club": "Ela."}), None)
    path, _rows = keeper.collect("E antes?", "Outro.", "Sê breve.", "club")
    messages = json.loads(path.read_text(encoding="utf-8"))["messages"]
    assert messages == [
        {"role": "system", "content": "Sê breve."},
        {"role": "user", "content": "Quem?"},
        {"role": "assistant", "content": "Ele.", "weight": 0},
        {"role": "user", "content": "E antes?"},
        {"role": "assistant", "content": "Outro."},
    ]


def test_what_a_model_was_not_asked_stands_before_no_row(setup: Setup) -> None:
    """It had a turn with an empty answer, of a conversation with another model."""
    keeper = Keeper(setup)
    keeper.begin((Turn("Quem?", {"": "Eu.", "old": "Ele."}),), 1.0)
    keeper.add(Turn("E?", {"": "?", "club": "Ela."}), None)
    path, _rows = keeper.collect("E?", "Outro.", None, "club")
    assert json.loads(path.read_text(encoding="utf-8"))["messages"] == [
        {"role": "user", "content": "E?"},
        {"role": "assistant", "content": "Outro."},
    ]


def test_a_disk_that_takes_nothing_is_told(setup: Setup, tmp_path: Path) -> None:
    (tmp_path / "collected").write_text("a file where the folder would be")
    (tmp_path / "runs" / "club" / "conversations").write_text("")
    with pytest.raises(FarenseError):
        Keeper(setup).collect("Quem?", "Ele.", None)
    with pytest.raises(FarenseError):
        Keeper(setup).add(Turn("Quem?", {}), None)
