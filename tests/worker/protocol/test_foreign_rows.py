"""Data of others is named for what it is, and the command that is told makes it usable."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from farense_worker.protocol import dataset, foreign_rows
from farense_worker.protocol.dataset import Row

from farense_tui.cli import main
from tests.tokenizers import chat, write

GOOD = '{"prompt": "a?", "completion": "b."}\n'
ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "Alpaca": ({"instruction": "a?", "input": "", "output": "b."}, "completion"),
    "ShareGPT": (
        {"conversations": [{"from": "human", "value": "a?"}, {"from": "gpt", "value": "b."}]},
        "chat",
    ),
    "an Alpaca": (
        {"instruction": "b", "output": "b.", "system": "s", "history": [["a?", "a."]]},
        "chat",
    ),
    "a ShareGPT": (
        {
            "system": "s",
            "conversations": [
                {"from": "human", "value": "a?"},
                {"from": "gpt", "value": "a.", "weight": 0},
                {"from": "human", "value": "b"},
                {"from": "gpt", "value": "b."},
            ],
        },
        "chat",
    ),
    'its "conversations"': ({"conversations": chat("a?", "b.")["messages"]}, "chat"),
    "ShareGPT row": (
        {"messages": [{"from": "human", "value": "a?"}, {"from": "gpt", "value": "b."}]},
        "chat",
    ),
    "completion are messages": (
        {"prompt": chat("a?")["messages"], "completion": [{"role": "assistant", "content": "b."}]},
        "chat",
    ),
    "preferences": ({"prompt": "a?", "chosen": "b.", "rejected": "c"}, "completion"),
    "the chosen answer": (
        {"chosen": chat("a?", "b.")["messages"], "rejected": chat("a?", "c")["messages"]},
        "chat",
    ),
    "Pergunta": ({"Pergunta": "a?", "Resposta": "b."}, "completion"),
    "question": ({"question": "a?", "answer": "b."}, "completion"),
}


def command(folder: Path) -> str:
    """Give the command that the one fault of a data set tells."""
    (fault,) = dataset.summarise(folder).faults
    assert fault.foreign == ("farense-tui data make" in fault.what)
    return fault.what.partition(": ")[2]


def made(told: str) -> Path:
    """Do what `data make` is told with, and give the folder that it makes."""
    words = shlex.split(told[told.index("farense-tui data make") :])
    assert main(words[1:]) == 0
    return Path(words[-1])


def rows(folder: Path) -> int:
    found = dataset.summarise(folder)
    assert found.faults == ()
    return sum(found.rows.values())


@pytest.mark.parametrize("name", ROWS)
def test_rows_of_others_are_named_and_converted(name: str, tmp_path: Path) -> None:
    row, kind = ROWS[name]
    place = tmp_path / "the data"
    place.mkdir()
    (place / "train.jsonl").write_text(json.dumps(row) + "\n")
    (fault,) = dataset.summarise(place).faults
    assert name in fault.what
    assert fault.foreign
    place = made(fault.what)
    assert dataset.summarise(place).faults == ()
    (found,) = dataset.scan(place / "train.jsonl")
    assert isinstance(found, Row)
    assert found.kind == kind
    messages, _tools = found.conversation()
    said = [each["content"] for each in messages]
    assert said in (["a?", "b."], ["s", "a?", "a.", "b", "b."])
    assert found.unweighted == ({2} if "ShareGPT" in name and len(said) == 5 else frozenset())


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_is_one_fault_and_becomes_lines(indent: int | None, tmp_path: Path) -> None:
    items = [{"text": "é"}, {"text": "b"}]
    (tmp_path / "d").mkdir()
    (tmp_path / "d/train.jsonl").write_text(json.dumps(items, indent=indent))
    assert rows(made(command(tmp_path / "d"))) == 2


@pytest.mark.parametrize("key", ["", "data"])
def test_foreign_rows_in_an_array_take_one_command(key: str, tmp_path: Path) -> None:
    items = [{"instruction": f"{n}?", "input": "", "output": "b."} for n in range(2)]
    values = {key: items, "version": 1} if key else items
    before = "" if key else "\ufeff"
    place = tmp_path / "the data"
    place.mkdir()
    (place / "train.jsonl").write_text(before + json.dumps(values, indent=1), encoding="utf-8")
    (fault,) = dataset.summarise(place).faults
    assert "an Alpaca row" in fault.what
    assert fault.foreign
    assert rows(made(fault.what)) == 2


@pytest.mark.parametrize("name", ["valid.json", "val.json"])
def test_validation_rows_in_a_json_file_are_told(name: str, tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(GOOD)
    (tmp_path / name).write_text(GOOD)
    subprocess.run(command(tmp_path), shell=True, check=True)
    assert dataset.summarise(tmp_path).rows == {"train": 1, "valid": 1}


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "club.jsonl").write_text(GOOD)
    assert made(command(tmp_path / "club.jsonl")) == tmp_path / "club"
    assert rows(tmp_path / "club") == 1


def test_the_command_in_a_name_is_no_command(tmp_path: Path) -> None:
    """The app offered to make rows by the words that it found, in names of files too."""
    place = tmp_path / "farense-tui data make this"
    place.mkdir()
    (place / "train.json").write_text(GOOD)
    (fault,) = dataset.summarise(place).faults
    assert "farense-tui data make this" in fault.what
    assert not fault.foreign


def test_a_folder_of_tables_is_told_what_makes_rows_of_it(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/club.csv").write_text("pergunta,resposta\na?,b.\n")
    (tmp_path / "d/._club.csv").write_bytes(b"macOS's own")
    assert "._" not in foreign_rows.no_train(tmp_path / "d")
    assert rows(made(command(tmp_path / "d"))) == 1


def test_another_name_of_train_jsonl(tmp_path: Path) -> None:
    (tmp_path / "train_data.jsonl").write_text(GOOD)
    subprocess.run(command(tmp_path), shell=True, check=True)
    assert dataset.summarise(tmp_path).rows == {"train": 1}


@pytest.mark.parametrize("name", ["val", "validation", "dev"])
def test_validation_rows_under_another_name_are_not_passed_over(name: str, tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(GOOD)
    (tmp_path / f"{name}.jsonl").write_text(GOOD)
    subprocess.run(command(tmp_path), shell=True, check=True)
    assert dataset.summarise(tmp_path).rows == {"train": 1, "valid": 1}


def test_beside_a_valid_jsonl_other_files_are_nobodys_business(tmp_path: Path) -> None:
    for name in ("train", "valid", "val"):
        (tmp_path / f"{name}.jsonl").write_text(GOOD)
    assert dataset.summarise(tmp_path).faults == ()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("validation.csv", True),
        ("val_set.jsonl", True),
        ("Validação.jsonl.gz", True),
        ("holdout.parquet", True),
        ("test.json", True),
        ("train2.jsonl", True),
        ("train-00001-of-00002.jsonl", True),
        ("train.csv", False),  # what train.jsonl was made of
        ("val.jsonl", False),  # which is told by itself
        ("test_results.json", False),
        ("notes.json", False),
        ("._valid.csv", False),
    ],
)
def test_parts_by_names_that_nothing_reads_are_told(tmp_path: Path, name: str, told: bool) -> None:
    assert foreign_rows.beside(tmp_path / "no") == ""
    (tmp_path / name).write_text("{}")
    assert foreign_rows.beside(tmp_path) == ""
    write(tmp_path / "train.jsonl", chat("a", "b"))
    assert foreign_rows.beside(tmp_path).startswith(f"{name}: ") == told
    for split in ("valid", "test"):
        write(tmp_path / f"{split}.jsonl", chat("a", "b"))
    assert bool(foreign_rows.beside(tmp_path)) == (told and name.startswith("train"))


def test_a_model_in_place_of_rows_is_told(tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "generation_config.json"):
        (tmp_path / name).write_text("{}")
        assert foreign_rows.no_train(tmp_path) == ""
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert foreign_rows.no_train(tmp_path) == "it is the folder of a model; --model takes it"
