"""Each format is recognised by what is in the file, and what is none of them is told."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from farense_worker.protocol.errors import FarenseError

from farense_tui.cli import main
from farense_tui.dataset import look, make
from farense_tui.dataset.look import Wish
from tests.dataset import files

HEAD = ["pergunta", "resposta"]


def made(tmp_path: Path, *sources: Path, **options: Any) -> list[list[str]]:
    """Make a data set in `tmp_path/d`, and give what its training rows say."""
    given = tuple(map(str, sources))
    wish = Wish(given, tmp_path / "d", **{"valid": 0, "test": 0, **options})
    make.make(wish, look.look(wish))
    return files.said(tmp_path / "d")


def kind(source: Path) -> look.Seen:
    (seen,) = look.look(Wish((str(source),), Path("nowhere")))
    return seen


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_in_any_encoding(encoding: str, delimiter: str, tmp_path: Path) -> None:
    rows = [["Quando é?", 'Em "1910",\nem Abril; creio.'], ["Porquê?", "Não sei"]]
    source = files.table(
        tmp_path / "a.txt.csv", HEAD, *rows, encoding=encoding, delimiter=delimiter
    )
    assert kind(source).table.kind == ("TSV" if delimiter == "\t" else "CSV")
    assert bool(kind(source).encoded) == (encoding != "utf-8")
    assert made(tmp_path, source) == rows


def test_windows_quotes_are_no_latin_1(tmp_path: Path) -> None:
    source = files.table(tmp_path / "a.csv", HEAD, ["Quê?", "“Não” – só…"], encoding="cp1252")
    assert made(tmp_path, source) == [["Quê?", "“Não” – só…"]]


@pytest.mark.parametrize(
    ("name", "line", "cells"),
    [
        (
            "a.tsv",
            '"Lusíadas" de quem?\t"Camões", creio',
            ['"Lusíadas" de quem?', '"Camões", creio'],
        ),
        ("a.csv", r'"Diz \"olá\", sim","\"Olá\""', ['Diz "olá", sim', '"Olá"']),
        ("a.csv", '"Quê?" ,"Isso, ""isso""."', ["Quê?", 'Isso, "isso".']),
        ("a.csv", r'"C:\dir","a\b ""c"""', [r"C:\dir", r'a\b "c"']),
        ("a.csv", '5" ou 6"?,6" é melhor', ['5" ou 6"?', '6" é melhor']),
    ],
)
def test_marks_within_a_cell_stay(tmp_path: Path, name: str, line: str, cells: list[str]) -> None:
    separator = "\t" if name.endswith("tsv") else ","
    source = tmp_path / name
    source.write_text(separator.join(HEAD) + f"\n{line}\n", encoding="utf-8")
    assert made(tmp_path, source) == [cells]


def test_a_line_whose_cells_cannot_be_told_is_left_out_with_its_reason(tmp_path: Path) -> None:
    source = files.table(tmp_path / "a.csv", HEAD, *([str(at), "x"] for at in range(20)))
    with source.open("a") as file:
        file.write('"Diz "olá" ou não?","Não."\n')
    assert ["Diz olá ou não?", "Não."] not in made(tmp_path, source)
    (left,) = (tmp_path / "d" / "left_out.jsonl").read_text().splitlines()
    assert json.loads(left)["rule"] == "cells"


@pytest.mark.parametrize("space", ["", " ", "\n  "])
def test_messages_in_a_cell_are_found_however_they_are_spaced(tmp_path: Path, space: str) -> None:
    said = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
    source = files.table(
        tmp_path / "a.csv", ["id", "conversations"], ["1", f"[{space}{json.dumps(said)[1:]}"]
    )
    assert kind(source).mapping.shape.name == "a ShareGPT row"


def test_words_for_an_empty_cell_are_none(tmp_path: Path) -> None:
    kept = [[f"p{at}", "null"] for at in range(20)]
    source = files.table(tmp_path / "a.csv", HEAD, *kept, ["a", "nan"], ["<NA>", "b"])
    assert made(tmp_path, source) == kept


def test_an_encoding_that_is_named_is_taken(tmp_path: Path) -> None:
    source = files.table(tmp_path / "a.csv", HEAD, ["Что?", "Ничего."], encoding="cp1251")
    assert made(tmp_path, source, encoding="cp1251") == [["Что?", "Ничего."]]
    with pytest.raises(FarenseError, match="there is no encoding nope"):
        made(tmp_path, source, encoding="nope")


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("key", ["", "rows"])
def test_arrays(indent: int | None, key: str, tmp_path: Path) -> None:
    rows = [{"question": f"é{n}?", "answer": "x" * n} for n in range(1, 400)]
    values = {"version": 1, key: rows} if key else rows
    source = tmp_path / "a.json"
    source.write_text(json.dumps(values, indent=indent, ensure_ascii=False), encoding="utf-8")
    assert made(tmp_path, source) == [[row["question"], row["answer"]] for row in rows]


def test_a_row_larger_than_what_is_read_at_once(tmp_path: Path) -> None:
    rows = [{"prompt": "a" * 200_000, "completion": "b"}, {"prompt": "c", "completion": "d"}]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    assert [len(prompt) for prompt, _ in made(tmp_path, tmp_path / "a.json")] == [200_000, 1]


def test_a_database_with_one_table_that_is_known(tmp_path: Path) -> None:
    source = files.database(tmp_path / "a.db", "faq", HEAD, ["Quem?", "Ele."], ["Quantos?", 7])
    files.database(source, "meta", ["key", "value"], ["version", 1])
    assert made(tmp_path, source) == [["Quem?", "Ele."], ["Quantos?", "7"]]
    assert 'the table "faq"' in kind(source).table.sign


def test_a_database_whose_table_has_to_be_named(tmp_path: Path) -> None:
    source = files.database(tmp_path / "a.db", "faq", HEAD, ["Quem?", "Ele."])
    files.database(source, "more", HEAD, ["a", "b"])
    with pytest.raises(FarenseError, match="which table") as told:
        made(tmp_path, source)
    assert "faq, more" in told.value.detail
    assert made(tmp_path, source, table="more") == [["a", "b"]]


def test_messages_in_a_cell_of_a_table(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "b."}]
    cells = [["messages"], [json.dumps(messages)], [repr(messages)]]
    source = files.table(tmp_path / "a.csv", *[[*row, "x"] for row in cells])
    assert made(tmp_path, source, dedupe="none") == [["a?", "b."]] * 2


def test_text_in_a_gzip(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl.gz"
    source.write_bytes(gzip.compress(b'{"prompt": "a?", "completion": "b."}\n'))
    assert made(tmp_path, source) == [["a?", "b."]]


def test_a_bomb_in_a_gzip_is_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"a" * (1 << 27)))
    with pytest.raises(FarenseError, match="is not unpacked"):
        made(tmp_path, tmp_path / "a.jsonl.gz")


@pytest.mark.parametrize("marks", [True, False])
def test_a_table_without_names(marks: bool, tmp_path: Path) -> None:
    ends = "?" if marks else ""
    source = files.table(tmp_path / "a.csv", [f"Quem{ends}", "Ele."], [f"Onde{ends}", "Aqui."])
    with pytest.raises(FarenseError, match="which columns"):
        made(tmp_path, source)
    assert made(tmp_path, source, map={"prompt": "1", "completion": "2"}) == [
        [f"Quem{ends}", "Ele."],
        [f"Onde{ends}", "Aqui."],
    ]


def test_columns_that_are_named(tmp_path: Path) -> None:
    source = files.table(tmp_path / "a.csv", ["title", "body", "reply"], ["a", "b", "c"])
    with pytest.raises(FarenseError, match="which columns") as told:
        made(tmp_path, source)
    assert "title, body, reply" in told.value.detail
    said = {"prompt": "title+body", "completion": "reply"}
    assert made(tmp_path, source, map=said) == [["a\n\nb", "c"]]
    with pytest.raises(FarenseError, match="has no column nope"):
        made(tmp_path, source, map={"prompt": "nope", "completion": "reply"})


def test_pairs_among_chats_become_chats(tmp_path: Path) -> None:
    one = files.jsonl(tmp_path / "a.jsonl", {"prompt": "a?", "completion": "b."})
    turns = [{"from": "human", "value": "c?"}, {"from": "gpt", "value": "d."}]
    two = files.jsonl(tmp_path / "b.jsonl", {"conversations": turns})
    assert made(tmp_path, one, two) == [["a?", "b."], ["c?", "d."]]
    assert all("messages" in row for row in files.rows(tmp_path / "d"))


# ---- what is none of these -----------------------------------------------------------------------


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "x")


BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "empty.csv": (lambda path: path.write_bytes(b""), "it is empty"),
    "noise.bin": (lambda path: path.write_bytes(bytes(range(256)) * 20), "neither text nor"),
    "prose": (lambda path: path.write_text("Era uma vez\num clube.\n"), "neither JSON nor"),
    "one.csv": (lambda path: path.write_text("nome\nFaro\n"), "neither JSON nor a table"),
    "a.zip": (_zip, "it is an archive"),
    "cut.zip": (lambda path: path.write_bytes(b"PK\x03\x04abc"), "it is damaged"),
    "old.xls": (lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0" + b"\0" * 99), "password"),
    "a.pdf": (lambda path: path.write_bytes(b"%PDF-1.7\n"), "it is a document"),
    "cut.json": (lambda path: path.write_text('[{"prompt": "a", "comple'), "not JSON"),
    "cut.db": (lambda path: path.write_bytes(b"SQLite format 3\0" + b"x" * 90), "SQLite: "),
    "cut.gz": (lambda path: path.write_bytes(gzip.compress(b'{"a": 1}' * 99)[:20]), "ended"),
    "bad.gz": (lambda path: path.write_bytes(b"\x1f\x8b" + b"x" * 50), "method"),
    "keys.jsonl": (lambda path: path.write_text('{"a": 1, "b": 2}\n'), "columns: a, b"),
    "deep.json": (lambda path: path.write_text("[" * 100_000), "nested too deeply"),
    "list.jsonl": (lambda path: path.write_text('[1, "a"]\n[2, "b"]\n'), "not a JSON object"),
}


@pytest.mark.parametrize("name", BAD)
def test_clear_words_and_nothing_written(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write, words = BAD[name]
    write(tmp_path / name)
    assert main(["data", "make", str(tmp_path / name), "--to", str(tmp_path / "d")]) == 3
    assert words in capsys.readouterr().err.replace("\n  ", " ")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_cell_may_hold_many_lines(tmp_path: Path) -> None:
    poem = "\n".join(f"verso {n}, com vírgula" for n in range(30))
    source = files.table(tmp_path / "a.csv", [*HEAD, "nota"], ["a?", poem, ""])
    assert made(tmp_path, source) == [["a?", poem]]


def test_a_quotation_mark_that_is_never_closed(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text('pergunta,resposta\na?,b.\nc?,"d.\n' + "e?,f.\n" * 50)
    (seen,) = look.look(Wish((str(source),), Path("nowhere")))
    with pytest.raises(FarenseError, match="lines that cannot be read") as told:
        make.make(Wish((str(source),), tmp_path / "d"), [seen])
    assert "a.csv:3: 51 lines that are no row of cells" in told.value.detail


def test_rows_with_too_few_cells_are_left_out_and_told(tmp_path: Path) -> None:
    rows = [[f"{n}?", "b."] for n in range(30)]
    source = files.table(tmp_path / "a.csv", HEAD, *rows[:9], ["only"], *rows[9:])
    assert len(made(tmp_path, source, dedupe="none")) == 30
    (left,) = files.rows(tmp_path / "d", "left_out")
    assert (left["row"], left["rule"]) == (11, "cells")
    assert left["what"] == "1 cells where there are 2 columns"


def test_numbers_among_words_are_written_as_words(tmp_path: Path) -> None:
    rows = [{"question": 1, "answer": True}, {"question": "a", "answer": 2.5}]
    assert made(tmp_path, files.jsonl(tmp_path / "a.jsonl", *rows)) == [["1", "true"], ["a", "2.5"]]


TWICE = '{"prompt": "a?", "completion": "b", "prompt": "c?"}'


@pytest.mark.parametrize("text", [TWICE, f"[{TWICE}]", f'{{\n"data": [{TWICE}]}}'])
def test_a_key_that_stands_twice_is_told(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Readers of JSON take the last value without a word."""
    (tmp_path / "rows.json").write_text(text, encoding="utf-8")
    assert main(["data", "make", str(tmp_path / "rows.json"), "--to", str(tmp_path / "d")]) == 3
    assert 'the key "prompt" stands twice' in capsys.readouterr().err
    assert not (tmp_path / "d").exists()
