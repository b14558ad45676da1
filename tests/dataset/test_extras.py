"""What takes the extra `data`: XLSX, Parquet, Arrow, near-duplicates; and what is without it."""

from __future__ import annotations

import datetime
import json
import random
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from farense_worker.protocol.errors import FarenseError

from farense_tui.dataset import duplicates, look, make
from farense_tui.dataset.look import Wish
from tests.dataset import files
from tests.dataset.test_make import pairs

HEAD = ["pergunta", "resposta"]


def made(tmp_path: Path, *given: Path, **options: Any) -> list[list[str]]:
    wish = Wish(tuple(map(str, given)), tmp_path / "d", **{"valid": 0, "test": 0, **options})
    make.make(wish, look.look(wish))
    return files.said(tmp_path / "d")


# ---- XLSX ----------------------------------------------------------------------------------------


def book(path: Path, **sheets: list[list[Any]]) -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save(path)
    return path


def test_a_sheet(tmp_path: Path) -> None:
    day = datetime.datetime(1910, 4, 1)
    rows: list[list[Any]] = [
        HEAD,
        ["Quando?", day],
        ["Quantos?", 7.0],
        [None, None],
        ["Sempre?", True],
    ]
    source = book(tmp_path / "a.xlsx", Dados=rows, Vazia=[])
    expected = [["Quando?", "1910-04-01"], ["Quantos?", "7"], ["Sempre?", "true"]]
    assert made(tmp_path, source) == expected
    record = json.loads((tmp_path / "d/dataset.json").read_text())
    assert record["splits"]["train"]["from"] == {"0": "2-3,5"}


def test_columns_of_one_name_are_told_apart(tmp_path: Path) -> None:
    source = book(tmp_path / "a.xlsx", A=[["x", "x"], ["a", "b"]])
    said = {"prompt": "x", "completion": "x (2)"}
    assert made(tmp_path, source, map=said) == [["a", "b"]]


def test_one_of_several_sheets_has_to_be_named(tmp_path: Path) -> None:
    source = book(tmp_path / "a.xlsx", A=[HEAD, ["a", "b"]], B=[HEAD, ["c", "d"]])
    with pytest.raises(FarenseError, match="which sheet") as told:
        made(tmp_path, source)
    assert told.value.detail == "A, B"
    assert made(tmp_path, source, table="B") == [["c", "d"]]


def test_formulas_without_values_and_errors_are_left_out(tmp_path: Path) -> None:
    rows = [[f"{n}?", f"{n * 77}."] for n in range(30)]
    source = book(tmp_path / "a.xlsx", A=[HEAD, *rows, ["a?", "=1+1"], ["b?", "#REF!"]])
    assert len(made(tmp_path, source)) == 30
    one, two = files.rows(tmp_path / "d", "left_out")
    assert (one["row"], one["rule"]) == (32, "formula")
    assert one["what"].startswith("B32 is a formula without a value")
    assert two["what"] == "B33 is an error, #REF!"


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    source = book(tmp_path / "a.xlsx", A=[HEAD, ["a", "b"]])
    with zipfile.ZipFile(source, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/zeros", bytes(1 << 26))
    with pytest.raises(FarenseError, match="is not unpacked") as told:
        made(tmp_path, source)
    assert "would become 64 MiB" in told.value.detail


def test_a_damaged_sheet_is_told(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<nothing")
    with pytest.raises(FarenseError, match="is damaged"):
        made(tmp_path, tmp_path / "a.xlsx")


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/styles.xml", "xl/workbook.xml"])
def test_a_sheet_with_a_damaged_part_is_told(part: str, tmp_path: Path) -> None:
    whole = book(tmp_path / "whole.xlsx", A=[HEAD, ["a", "b"]])
    for damage in (b"<", b"<a><b>", b"\xff\xfe"):
        with zipfile.ZipFile(whole) as parts, zipfile.ZipFile(tmp_path / "a.xlsx", "w") as made_:
            for name in parts.namelist():
                made_.writestr(name, damage if name == part else parts.read(name))
        with pytest.raises(FarenseError) as told:
            made(tmp_path, tmp_path / "a.xlsx")
        assert "a.xlsx" in told.value.title + told.value.detail


# ---- Parquet and Arrow ---------------------------------------------------------------------------


def columns(rows: list[dict[str, Any]]) -> Any:
    return pytest.importorskip("pyarrow").Table.from_pylist(rows)


def test_parquet_with_nested_columns(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    turns = [{"from": "human", "value": "a?"}, {"from": "gpt", "value": "b."}]
    parquet.write_table(columns([{"id": 1, "conversations": turns}] * 3), tmp_path / "a.parquet")
    assert made(tmp_path, tmp_path / "a.parquet", dedupe="none") == [["a?", "b."]] * 3


@pytest.mark.parametrize("cut", [0, 20, -1])
def test_a_corrupt_parquet_is_told_and_nothing_is_written(cut: int, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(columns(pairs(100)), tmp_path / "a.parquet")
    raw = (tmp_path / "a.parquet").read_bytes()
    damaged = raw[:cut] if cut else raw[:40] + bytes(200) + raw[240:]
    (tmp_path / "a.parquet").write_bytes(damaged)
    with pytest.raises(FarenseError, match="is damaged"):
        made(tmp_path, tmp_path / "a.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


@pytest.mark.parametrize("stream", [True, False])
def test_arrow(stream: bool, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    rows = columns(pairs(2500))
    new = pyarrow.ipc.new_stream if stream else pyarrow.ipc.new_file
    with new(str(tmp_path / "a.arrow"), rows.schema) as file:
        file.write_table(rows)
    assert len(made(tmp_path, tmp_path / "a.arrow")) == 2500


def test_texts_that_end_before_they_begin_are_told(tmp_path: Path) -> None:
    """pyarrow takes the file's word for it, and its C++ ended the process."""
    pyarrow = pytest.importorskip("pyarrow")
    ends = np.array([0, 4, -1325399920, 2], np.int32)
    buffers = [None, pyarrow.py_buffer(ends), pyarrow.py_buffer(b"a" * 9)]
    wrong = pyarrow.Array.from_buffers(pyarrow.string(), 3, buffers)
    batch = pyarrow.record_batch({"question": wrong, "answer": ["a", "b", "c"]})
    with pyarrow.ipc.new_stream(str(tmp_path / "a.arrow"), batch.schema) as file:
        file.write_batch(batch)
    with pytest.raises(FarenseError, match=r"a.arrow is damaged"):
        made(tmp_path, tmp_path / "a.arrow")


def test_a_folder_that_datasets_saved(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    place = tmp_path / "saved"
    (place / "train").mkdir(parents=True)
    (place / "test").mkdir()
    (place / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    for name, rows in (("train", pairs(8)), ("test", pairs(3, 50))):
        data = columns(rows)
        for file_name in ("data-00000-of-00001.arrow", "cache-1234.arrow"):
            with pyarrow.ipc.new_stream(str(place / name / file_name), data.schema) as file:
                file.write_table(data)
        state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}
        (place / name / "state.json").write_text(json.dumps(state))
        (place / name / "dataset_info.json").write_text("{}")
    assert len(made(tmp_path, place, valid=None, test=None)) == 8
    assert len(files.rows(tmp_path / "d", "test")) == 3


# ---- near-duplicates -----------------------------------------------------------------------------

LONG = "O Sporting Clube Farense foi fundado em Faro no dia 1 de abril de 1910, e joga de preto"


def test_rows_that_are_nearly_the_same_are_left_out_where_that_is_wanted(tmp_path: Path) -> None:
    pytest.importorskip("rensa")
    rows = [*pairs(30), *({"prompt": f"{LONG} {n}.", "completion": f"{n}"} for n in range(3))]
    source = files.jsonl(tmp_path / "a.jsonl", *rows)
    assert len(made(tmp_path, source, dedupe="near")) == 31
    left = files.rows(tmp_path / "d", "left_out")
    assert [(each["row"], each["rule"]) for each in left] == [
        (32, "near_duplicate"),
        (33, "near_duplicate"),
    ]
    assert left[0]["what"] == "nearly the same as a.jsonl:31"


def test_rows_that_are_nearly_the_same_are_in_one_split(tmp_path: Path) -> None:
    pytest.importorskip("rensa")
    letters = random.Random(1)
    topics = ["".join(letters.choices("abcdefgh ", k=80)) for _ in range(40)]
    rows = [
        {"prompt": f"{topic}{word}", "completion": f"{n}{word}"}
        for n, topic in enumerate(topics)
        for word in ("a", "b")
    ]
    made(tmp_path, files.jsonl(tmp_path / "a.jsonl", *rows), valid=0.3, near=0.7)
    sides = [
        {row["completion"][:-1] for row in files.rows(tmp_path / "d", split)}
        for split in ("train", "valid")
    ]
    assert all(sides)
    assert not sides[0] & sides[1]


def test_near_duplicates_are_the_same_however_many_rows_are_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rensa")
    rows = [{"prompt": f"{LONG} {n} {n * n}", "completion": str(n)} for n in range(40)]
    source = files.jsonl(tmp_path / "a.jsonl", *rows, *pairs(20))
    made(tmp_path, source, dedupe="near")
    whole = files.rows(tmp_path / "d", "left_out")
    assert 20 < len(whole) < 40
    monkeypatch.setattr(duplicates, "_BATCH", 7)
    monkeypatch.setattr(duplicates, "_PIECES_AT_ONCE", 300)
    shutil.rmtree(tmp_path / "d")
    made(tmp_path, source, dedupe="near")
    assert files.rows(tmp_path / "d", "left_out") == whole


# ---- without the extra ---------------------------------------------------------------------------


def test_what_is_not_installed_is_named_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1" + bytes(40))
    with pytest.raises(FarenseError, match="pyarrow is not installed") as told:
        made(tmp_path, tmp_path / "a.parquet")
    assert "farense-tui[data]" in told.value.hint


def test_without_the_extra_near_duplicates_are_told_to_be_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farense_tui.dataset.extra.there", lambda _name: False)
    wish = Wish((str(files.jsonl(tmp_path / "a.jsonl", *pairs(20))),), tmp_path / "d")
    remarks = make.make(wish, look.look(wish)).remarks
    assert any("the extra data finds them" in remark for remark in remarks)


def test_cyrillic_is_guessed(tmp_path: Path) -> None:
    pytest.importorskip("charset_normalizer")
    rows = [["Где находится клуб Фаренсе?", "Он находится в городе Фару, в Алгарве."]] * 5
    source = files.table(tmp_path / "a.csv", HEAD, *rows, encoding="cp1251")
    assert made(tmp_path, source, dedupe="none") == rows
    (seen,) = look.look(Wish((str(source),), Path("nowhere")))
    assert "a guess by its letters" in seen.encoded
