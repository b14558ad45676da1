"""Files as people have them: what stands around the rows is read, or told, and never trained on."""

from __future__ import annotations

import bz2
import datetime
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from farense_worker.protocol.errors import FarenseError

from farense_tui.dataset import look, make, told
from farense_tui.dataset.look import Wish
from tests.dataset import files

HEAD = ["pergunta", "resposta"]
ROWS = [["a?", "b"], ["c?", "d"], ["e?", "f"]]
CSV = "pergunta,resposta\na?,b\nc?,d\ne?,f\n"


def done(folder: Path, source: Path, **wish: Any) -> tuple[str, list[list[str]]]:
    """Make a data set of it; what was told, and what is trained on."""
    wanted = Wish((str(source),), folder / "made", **wish)
    seen = look.look(wanted)
    made = make.make(wanted, seen)
    rows = [
        row for split in ("train", "valid", "test") for row in files.said(folder / "made", split)
    ]
    return "\n".join([*told.seen(seen), *made.remarks, *made.rules]), sorted(rows)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("sep=;\n" + CSV.replace(",", ";"), ""),  # Excel's
        ("#separator:tab\n#html:true\n" + CSV.replace(",", "\t"), ""),  # Anki's
        ("Perguntas do clube\n\n" + CSV, "row 3; above it, and not read: Perguntas do clube"),
        ("pergunta,resposta,\n" + "a?,b,\nc?,d,\ne?,f,\n", "not trained on: column 3"),
        (",pergunta,resposta\n0,a?,b\n1,c?,d\n2,e?,f\n", "not trained on: column 1"),  # pandas's
        (CSV + CSV, "header"),
        ("\ufeff" + CSV + "\ufeff" + CSV, "header"),  # of two files that were put together
        ("| pergunta | resposta |\n|---|---|\n| a? | b |\n| c? | d |\n| e? | f |\n", ""),
        ("pergunta,resposta,nota,nota\na?,b,1,2\nc?,d,1,2\ne?,f,1,2\n", "nota, nota (2)"),
    ],
)
def test_what_stands_around_rows_of_cells(text: str, word: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    what, rows = done(tmp_path, tmp_path / "a.csv")
    assert rows == ROWS
    assert word in what


@pytest.mark.parametrize("end", ['e?,"f\ng?,h\n', 'e?,"f', 'e?,"f\ng?,"h"\n'])
def test_a_mark_that_is_not_closed_takes_no_rows_in(end: str, tmp_path: Path) -> None:
    """Few lines: they could be an answer's own, so the marks themselves have to tell."""
    (tmp_path / "a.csv").write_text("pergunta,resposta\na?,b\nc?,d\n" + end)
    if "\n" not in end:
        assert done(tmp_path, tmp_path / "a.csv")[1] == ROWS
        return
    with pytest.raises(FarenseError, match="lines that cannot be read") as found:
        done(tmp_path, tmp_path / "a.csv")
    assert "is a quotation mark not closed?" in found.value.detail


def sheet(path: Path, *rows: list[Any], title: str = "A", **formats: str) -> Path:
    book = openpyxl.load_workbook(path) if path.exists() else openpyxl.Workbook()
    if not path.exists():
        book.remove(book.active)
    made = book.create_sheet(title)
    for row in rows:
        made.append(row)
    for cell, number_format in formats.items():
        made[cell].number_format = number_format
    book.save(path)
    return path


def test_a_sheet_with_a_title_above_and_others_beside(tmp_path: Path) -> None:
    source = sheet(tmp_path / "a.xlsx", ["Perguntas", "", "v2"], [], ["nº", *HEAD], *ROWS_NUMBERED)
    sheet(source, ["a fazer"], ["rever"], title="Notas")
    what, rows = done(tmp_path, source)
    assert rows == ROWS
    assert "row 3; above it, and not read: Perguntas v2" in what
    assert "not read: Notas" in what


ROWS_NUMBERED = [[at, *row] for at, row in enumerate(ROWS)]


def test_cells_of_a_sheet_are_written_as_they_are_seen_or_that_is_told(tmp_path: Path) -> None:
    day, hours = datetime.date(2020, 5, 1), datetime.timedelta(hours=30)
    answers = [day, 0.255, 12.5, hours, "a_x000D_\nb", 7.0]
    rows = [[f"{at}?", answer] for at, answer in enumerate(answers)]
    source = sheet(tmp_path / "a.xlsx", HEAD, *rows, B3="0.0%", B4="#,##0.00 €")
    what, made = done(tmp_path, source)
    said = ["2020-05-01", "25.5%", "12.5", "30:00:00", "a\nb", "7"]
    assert [answer for _question, answer in made] == said
    assert "days are written as 2020-05-01" in what
    assert "numbers are written without their format" in what


@pytest.mark.parametrize("rows", [[], [HEAD]])
def test_a_sheet_without_rows_is_called_that(rows: list[Any], tmp_path: Path) -> None:
    with pytest.raises(FarenseError, match=r"a\.xlsx has no rows"):
        done(tmp_path, sheet(tmp_path / "a.xlsx", *rows))


PAIRS = [{"prompt": question, "completion": answer} for question, answer in ROWS]
COLUMNS = {"prompt": [row[0] for row in ROWS], "completion": [row[1] for row in ROWS]}


@pytest.mark.parametrize(
    "values",
    [
        COLUMNS,
        {name: dict(enumerate(cells)) for name, cells in COLUMNS.items()},
        {str(at): pair for at, pair in enumerate(PAIRS)},
        {"columns": list(COLUMNS), "index": [0, 1, 2], "data": ROWS},
        {"schema": {"fields": []}, "data": PAIRS},
        {"train": PAIRS[:1], "validation": PAIRS[1:2], "test": PAIRS[2:]},
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_a_table_in_one_object_is_turned(values: Any, indent: int | None, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(values, indent=indent))
    assert done(tmp_path, tmp_path / "a.json")[1] == ROWS
    if "validation" in values:
        assert files.said(tmp_path / "made", "valid") == ROWS[1:2]


@pytest.mark.parametrize("after", [json.dumps(PAIRS), "\nx", "[]"])
def test_what_stands_after_an_array_is_told(after: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(PAIRS) + after)
    with pytest.raises(FarenseError, match="cannot be read") as found:
        done(tmp_path, tmp_path / "a.json")
    assert "a.json:4: something stands after the end of the array" in found.value.detail


def test_arrays_on_lines_are_rows_of_messages_or_told(tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "b"}]
    assert done(tmp_path, files.jsonl(tmp_path / "a.jsonl", chat, chat))[1] == [["a?", "b"]]
    pairs = files.jsonl(tmp_path / "b.jsonl", PAIRS[:1], PAIRS[1:])
    with pytest.raises(FarenseError, match="has no rows"):
        done(tmp_path / "b", pairs)


def test_a_column_names_the_splits(tmp_path: Path) -> None:
    rows = [
        [*row, split] for row, split in zip(ROWS, ("Treino", "teste", "validação"), strict=True)
    ]
    what, _rows = done(tmp_path, files.table(tmp_path / "a.csv", [*HEAD, "conjunto"], *rows))
    assert "conjunto says which split each row is of" in what
    assert [files.said(tmp_path / "made", each) for each in ("train", "test", "valid")] == [
        [row] for row in ROWS
    ]


def test_of_several_answers_the_first_is_taken_and_told(tmp_path: Path) -> None:
    rows = [{"question": q, "answers": [a, "z"]} for q, a in ROWS]
    what, made = done(tmp_path, files.jsonl(tmp_path / "a.jsonl", *rows))
    assert made == ROWS
    assert "of several in answers the first is trained on" in what


def packed(kind: str) -> bytes:
    """A file of another program. It holds the time, so it has no place in a test's name."""
    made = io.BytesIO()
    if kind == "tar":
        with tarfile.open(fileobj=made, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("a.csv"))
        return made.getvalue()
    if kind in ("ods", "numbers"):
        parts = {"ods": ("mimetype", "application/vnd.oasis.opendocument.spreadsheet")}
        with zipfile.ZipFile(made, "w") as whole:
            whole.writestr(*parts.get(kind, ("Index/Document.iwa", "x")))
        return made.getvalue()
    others = {
        "bzip2": bz2.compress(CSV.encode()),
        "zstandard": b"\x28\xb5\x2f\xfd" + bytes(range(256)),
        "html": b"<html><table><tr><td>a, b</td></tr></table></html>",
    }
    return others[kind]


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("tar", "archive"),
        ("bzip2", "archive"),
        ("zstandard", "archive"),
        ("ods", "a sheet of LibreOffice"),
        ("numbers", "a sheet of Numbers"),
        ("html", "a web page"),
    ],
)
def test_files_of_other_programs_are_named(kind: str, word: str, tmp_path: Path) -> None:
    (tmp_path / "a.xls").write_bytes(packed(kind))
    with pytest.raises(FarenseError, match="is not read") as found:
        done(tmp_path, tmp_path / "a.xls")
    assert word in found.value.detail
    assert "ave it as" in found.value.hint or "Unpack it" in found.value.hint


def test_what_a_folder_holds_besides_is_told_and_what_is_of_systems_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "a.csv").write_text(CSV)
    for name in ("história.pdf", "b.zip", "Thumbs.db", "~$a.xlsx", ".DS_Store"):
        (folder / name).write_bytes(b"\xd0\xcf\x11\xe0")
    what, rows = done(tmp_path, folder)
    assert rows == ROWS
    assert "beside it, and not read: b.zip, história.pdf" in what


def test_parts_of_a_file_that_counts_them_have_to_be_there(tmp_path: Path) -> None:
    for part in (0, 2):
        files.jsonl(tmp_path / "f" / f"train-{part:05}-of-00003.jsonl", PAIRS[part])
    with pytest.raises(FarenseError, match=r"parts of .*train are missing") as found:
        done(tmp_path, tmp_path / "f")
    assert found.value.detail == "00001-of-00003"
    assert done(tmp_path, tmp_path / "f" / "train-00000-of-00003.jsonl")[1] == ROWS[:1]


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="macOS has no such names")
def test_a_name_that_is_no_utf_8_is_kept_in_the_record(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/f/caf\xe9.csv")).write_text(CSV)
    except OSError:
        pytest.skip("this file system has no such names")
    assert done(tmp_path, tmp_path / "f")[1] == ROWS
    record = json.loads((tmp_path / "made" / "dataset.json").read_text())
    assert record["sources"][0]["name"] == "caf\\xe9.csv"


def test_that_nothing_is_held_out_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    what, _rows = done(tmp_path, tmp_path / "a.csv")
    assert "nothing is held out for valid, test" in what
