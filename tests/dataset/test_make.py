"""The folder that is made: splits, what is left out, the record; and it is whole or not there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.shapes import splits
from hypothesis import given, settings
from hypothesis import strategies as st

from farense_tui.cli import main
from farense_tui.dataset import look, make, sources
from farense_tui.dataset.look import Wish
from farense_tui.dataset.make import Made
from tests.dataset import files


def pairs(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Rows that have nothing in common."""
    names = [f"{n:04d}" for n in range(first, first + count)]
    return [{"prompt": f"{n}?", "completion": f"{n[::-1]}{n}{n}."} for n in names]


def do(tmp_path: Path, *given: Path, to: str = "d", **options: Any) -> Made:
    wish = Wish(tuple(map(str, given)), tmp_path / to, **options)
    return make.make(wish, look.look(wish))


def test_a_tenth_each_where_nothing_is_said(tmp_path: Path) -> None:
    made = do(tmp_path, files.jsonl(tmp_path / "a.jsonl", *pairs(100)))
    assert made.rows == {"train": 80, "valid": 10, "test": 10}
    assert made.left_out == {}


@pytest.mark.parametrize(
    ("valid", "test", "rows"),
    [
        (0.2, None, {"train": 40, "valid": 10}),
        (7, 3, {"train": 40, "valid": 7, "test": 3}),
        (0, 0, {"train": 50}),
        (None, 5, {"train": 45, "test": 5}),
    ],
)
def test_fractions_and_numbers(
    valid: float | None, test: float | None, rows: dict[str, int], tmp_path: Path
) -> None:
    source = files.jsonl(tmp_path / "a.jsonl", *pairs(50))
    assert do(tmp_path, source, valid=valid, test=test).rows == rows


def test_the_same_command_gives_the_same_bytes(tmp_path: Path) -> None:
    source = files.jsonl(tmp_path / "a.jsonl", *pairs(60), *pairs(5))
    for to in ("d", "e"):
        do(tmp_path, source, to=to, seed=3)
    for name in ("train.jsonl", "valid.jsonl", "test.jsonl", "left_out.jsonl", "dataset.json"):
        assert (tmp_path / "d" / name).read_bytes() == (tmp_path / "e" / name).read_bytes()
    do(tmp_path, source, to="f", seed=4)
    assert files.rows(tmp_path / "f", "valid") != files.rows(tmp_path / "d", "valid")


def test_the_record_says_where_each_row_is_from(tmp_path: Path) -> None:
    one = files.jsonl(tmp_path / "a.jsonl", *pairs(30))
    two = files.table(tmp_path / "b.csv", ["q", "a"], *[[f"b{n}", f"c{n}c{n}"] for n in range(30)])
    do(tmp_path, one, two)
    record = json.loads((tmp_path / "d" / sources.RECORD).read_text())
    known: dict[tuple[str, int], str] = {
        ("0", at): row["prompt"] for at, row in enumerate(pairs(30), 1)
    }
    known |= {("1", at + 2): f"b{at}" for at in range(30)}
    for split, told in record["splits"].items():
        numbers = [
            (source, at)
            for source, ranges in told["from"].items()
            for each in ranges.split(",")
            for at in range(int(each.split("-")[0]), int(each.split("-")[-1]) + 1)
        ]
        rows = files.rows(tmp_path / "d", split)
        assert [known[number] for number in numbers] == [row["prompt"] for row in rows]
    assert [each["name"] for each in record["sources"]] == ["a.jsonl", "b.csv"]


def test_what_repeats_a_row_is_left_out_with_its_rule(tmp_path: Path) -> None:
    rows = [*pairs(20), {"prompt": "0003?", "completion": " 300000030003. "}]
    made = do(tmp_path, files.jsonl(tmp_path / "a.jsonl", *rows))
    assert made.left_out == {"duplicate": 1}
    (left,) = files.rows(tmp_path / "d", "left_out")
    assert left == {
        "source": "a.jsonl",
        "row": 21,
        "rule": "duplicate",
        "what": "the same as a.jsonl:4 but for white space and case",
    }


def test_splits_of_the_sources_stay_and_what_leaks_goes_from_train(tmp_path: Path) -> None:
    files.jsonl(tmp_path / "s/train.jsonl", *pairs(20))
    files.jsonl(tmp_path / "s/validation.jsonl", *pairs(5, 18))
    files.jsonl(tmp_path / "s/test.jsonl", *pairs(5, 22))
    made = do(tmp_path, tmp_path / "s")
    assert made.rows == {"train": 18, "valid": 4, "test": 5}
    assert made.left_out == {"leak": 3}
    prompts = [
        row["prompt"]
        for split in ("train", "valid", "test")
        for row in files.rows(tmp_path / "d", split)
    ]
    assert len(prompts) == len(set(prompts)) == 27


def test_a_split_that_is_there_is_drawn_anew_only_where_that_is_said(tmp_path: Path) -> None:
    files.jsonl(tmp_path / "s/train.jsonl", *pairs(20))
    files.jsonl(tmp_path / "s/valid.jsonl", *pairs(20, 20))
    with pytest.raises(FarenseError, match="have rows for valid already"):
        do(tmp_path, tmp_path / "s", valid=4)
    made = do(tmp_path, tmp_path / "s", valid=4, resplit=True)
    assert made.rows == {"train": 36, "valid": 4}


def test_leaks_by_question_are_told(tmp_path: Path) -> None:
    files.jsonl(tmp_path / "s/train.jsonl", *pairs(20))
    other = [{"prompt": "0001?", "completion": "another answer"}]
    files.jsonl(tmp_path / "s/valid.jsonl", *pairs(5, 50), *other)
    made = do(tmp_path, tmp_path / "s")
    assert any("1 rows of valid share question" in remark for remark in made.remarks)


def test_the_same_answer_is_on_one_side(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"{n} {word}?", "completion": f"{n * 7919:06d} is what it is for {n}."}
        for n in range(40)
        for word in ("who", "quando", "onde fica", "porque razão")
    ]
    do(tmp_path, files.jsonl(tmp_path / "a.jsonl", *rows), valid=0.2, test=0.1)
    answers = [
        {row["completion"] for row in files.rows(tmp_path / "d", split)}
        for split in ("train", "valid", "test")
    ]
    assert all(answers)
    assert sum(map(len, answers)) == len(set.union(*answers)) == 40


def test_classes_are_spread_and_not_kept_together(tmp_path: Path) -> None:
    rows = [
        {"text_in": f"{n:05d}{n * 31:05d}", "label": "yes" if n % 10 else "no"} for n in range(200)
    ]
    said = {"prompt": "text_in", "completion": "label"}
    source = files.jsonl(tmp_path / "a.jsonl", *rows)
    made = do(tmp_path, source, map=said, stratify="label", valid=0.1, test=0)
    valid = [row["completion"] for row in files.rows(tmp_path / "d", "valid")]
    assert (valid.count("no"), valid.count("yes")) == (2, 18)
    assert any("answer are not kept together" in remark for remark in made.remarks)


def test_rows_of_one_value_stay_together(tmp_path: Path) -> None:
    rows = [{**row, "page": at // 5} for at, row in enumerate(pairs(100))]
    do(tmp_path, files.jsonl(tmp_path / "a.jsonl", *rows), together="page", valid=0.2)
    valid = [int(row["prompt"][:-1]) // 5 for row in files.rows(tmp_path / "d", "valid")]
    assert sorted(valid) == sorted(page for page in set(valid) for _ in range(5))


def test_text_does_not_stand_among_questions(tmp_path: Path) -> None:
    one = files.jsonl(tmp_path / "a.jsonl", *pairs(3))
    two = files.jsonl(tmp_path / "b.jsonl", {"text": "a"})
    with pytest.raises(FarenseError, match="text cannot stand among"):
        do(tmp_path, one, two)


@pytest.mark.parametrize("option", ["together", "stratify"])
def test_a_column_that_no_row_has_is_told(option: str, tmp_path: Path) -> None:
    with pytest.raises(FarenseError, match="no row has a column page"):
        do(tmp_path, files.jsonl(tmp_path / "a.jsonl", *pairs(9)), **{option: "page"})


def test_a_data_set_that_was_made_beside_its_sources_is_not_read_with_them(tmp_path: Path) -> None:
    files.jsonl(tmp_path / "s/a.jsonl", *pairs(9))
    do(tmp_path, tmp_path / "s", to="s/made")
    assert sum(do(tmp_path, tmp_path / "s", to="e").rows.values()) == 9


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FarenseError, match="neither a file nor a folder"):
        do(tmp_path, tmp_path / "pipe")


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = files.jsonl(tmp_path / "a.jsonl", *pairs(5))
    files.jsonl(tmp_path / "d/mine.txt", "mine")
    assert main(["data", "make", str(source), "--to", str(tmp_path / "d")]) == 3
    assert "already" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["a.jsonl", "d"]
    (tmp_path / "e").mkdir()
    assert main(["data", "make", str(source), "--to", str(tmp_path / "e")]) == 0


def test_nothing_stays_of_what_is_broken_off(tmp_path: Path) -> None:
    source = files.jsonl(tmp_path / "a.jsonl", *pairs(5))

    def stop(_progress: object) -> None:
        raise KeyboardInterrupt

    wish = Wish((str(source),), tmp_path / "d")
    with pytest.raises(KeyboardInterrupt):
        make.make(wish, look.look(wish), stop)
    assert os.listdir(tmp_path) == ["a.jsonl"]


def test_a_data_set_that_was_made_is_a_source(tmp_path: Path) -> None:
    rows = [*pairs(30), *pairs(2)]
    do(tmp_path, files.jsonl(tmp_path / "a.jsonl", *rows))
    made = do(tmp_path, tmp_path / "d", to="e")
    for split in ("train", "valid", "test"):
        assert files.rows(tmp_path / "e", split) == files.rows(tmp_path / "d", split)
    assert made.left_out == {}


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=30), st.integers(0, 5))
def test_every_row_is_in_one_split_or_left_out(
    tmp_path_factory: pytest.TempPathFactory, given: list[tuple[str, str]], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("any")
    given = [*given, ("Quem ganhou?", "O Farense.")]  # one at least is sound
    rows = [{"prompt": asked, "completion": answer} for asked, answer in given]
    do(folder, files.jsonl(folder / "a.jsonl", *rows), seed=seed, skip=True, valid=0.3)
    made = [
        (row["prompt"], row["completion"])
        for split in ("train", "valid", "test")
        for row in files.rows(folder / "d", split)
    ]
    left = files.rows(folder / "d", "left_out")
    assert len(made) + len(left) == len(given)
    assert set(made) <= set(given)
    assert files.rows(folder / "d")  # something is always trained on
    own = [
        {json.dumps(row) for row in files.rows(folder / "d", name)} for name in ("train", "valid")
    ]
    assert not own[0] & own[1]


def test_splits_are_taken_from_names() -> None:
    names = {
        "train.jsonl": "train",
        "data/validation-00000-of-00001.parquet": "valid",
        "club_dev.csv": "valid",
        "test/rows.json": "test",
        "contest.csv": "",
        "testimonials.csv": "",
        "treino/a.csv": "train",
        "2024-training-set.csv": "train",
    }
    assert {name: splits.split_of(name) for name in names} == names


@pytest.mark.parametrize("rows", [100, 20_000])  # written at the end, and while they are read
def test_a_data_set_that_finds_no_room_is_told_as_that(tmp_path: Path, rows: int) -> None:
    """The disk was full, and the file that was read was asked to be whole."""
    file = files.jsonl(tmp_path / "a.jsonl", *pairs(rows))
    command = [sys.executable, "-m", "farense_tui", "data", "make", str(file), "--to", "d"]
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 4; exec "$@"', "sh", *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3
    assert done.stderr.startswith(f"farense-tui: cannot write {tmp_path / 'd'}\n")
    assert "ulimit -f" in done.stderr
    assert os.listdir(tmp_path) == ["a.jsonl"]


def test_a_folder_that_goes_while_it_is_looked_through_has_no_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of processes do, for whoever names the root."""
    (tmp_path / "all" / "gone").mkdir(parents=True)
    files.jsonl(tmp_path / "all" / "a.jsonl", *pairs(10))
    look_into = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith("gone"):
            raise FileNotFoundError(2, "gone", str(path))
        return look_into(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = sources.find([str(tmp_path / "all")], sources.Repository(), lambda _: None)
    assert [source.path.name for source in found] == ["a.jsonl"]
