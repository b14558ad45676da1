"""What a document says: text with its place, and clear words for what has none."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from farense_worker.protocol.errors import FarenseError

from farense_tui.dataset.documents import passages, questions, support, text_of
from farense_tui.dataset.documents.questions import Pair
from farense_tui.dataset.documents.text_of import Part
from tests.dataset.documents.papers import FOUNDED, GROUND, docx, pdf


def read(path: Path, remarks: list[str] | None = None) -> list[Part]:
    return text_of.read(path, (remarks if remarks is not None else []).append)


def test_pages_of_a_pdf(tmp_path: Path) -> None:
    remarks: list[str] = []
    parts = read(pdf(tmp_path / "a.pdf", [FOUNDED, "", GROUND]), remarks)
    assert [part.place for part in parts] == ["page 1", "page 3"]
    assert parts[0].text.replace(" ", "") == FOUNDED.replace(" ", "")
    assert remarks == ["1 of 3 pages of a.pdf have no text: pictures, or empty"]


@pytest.mark.parametrize(
    ("pages", "password", "words"),
    [(["x" * 100], "secret", "it has a password"), (["", ""], "", "it is a scan")],
)
def test_a_password_and_a_scan_are_told(
    pages: list[str], password: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(FarenseError) as told:
        read(pdf(tmp_path / "a.pdf", pages, password))
    assert words in told.value.detail
    assert told.value.hint


@pytest.mark.parametrize("raw", [b"%PDF-1.7\nnothing", b"PK\x03\x04nothing", b"\0\1\2\0" * 99, b""])
def test_what_is_damaged_or_no_document_is_told(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(raw)
    with pytest.raises(FarenseError):
        read(tmp_path / "a")


def test_a_document_of_word(tmp_path: Path) -> None:
    (part,) = read(docx(tmp_path / "a.docx", FOUNDED, "", GROUND))
    assert part.text == f"{FOUNDED}\n\n{GROUND}\n\nFundação | 1910"


def test_a_document_of_word_with_damaged_parts_is_told(tmp_path: Path) -> None:
    whole = docx(tmp_path / "whole.docx", FOUNDED)
    with zipfile.ZipFile(whole) as parts, zipfile.ZipFile(tmp_path / "a.docx", "w") as made:
        for name in parts.namelist():
            cut = parts.read(name)[:-9] if name == "word/document.xml" else parts.read(name)
            made.writestr(name, cut)
    with pytest.raises(FarenseError, match=r"a.docx is not read") as told:
        read(tmp_path / "a.docx")
    assert "it is damaged" in told.value.detail


@pytest.mark.parametrize("mark", ["<!--", '<a "', "<a", "<!--x--!", "<?"])
def test_marks_that_are_not_closed_do_not_hold_a_page_up(
    mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's parser looks for the end of each anew: 20 KB took 18 seconds."""
    monkeypatch.setattr(text_of, "_MOST_SECONDS", 0.01)
    (tmp_path / "a.html").write_text("<html>" + mark * 9999)
    with pytest.raises(FarenseError, match=r"a.html is not read") as told:
        read(tmp_path / "a.html")
    assert "not closed" in told.value.detail


def test_a_bomb_in_a_document_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(docx(tmp_path / "a.docx", "x"), "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/zeros", bytes(1 << 26))
    with pytest.raises(FarenseError, match="is not unpacked"):
        read(tmp_path / "a.docx")


def test_a_page_of_the_web_without_what_only_browsers_read(tmp_path: Path) -> None:
    head = "<!doctype html><head><style>p {}</style></head><nav>Menu</nav><h1>Farense</h1>"
    page = f"{head}<p>{FOUNDED}<br>\n<script>x()</script><p>A &amp; B"
    (tmp_path / "a.html").write_text(page, encoding="utf-8")
    (part,) = read(tmp_path / "a.html")
    assert part.text == f"Farense\n\n{FOUNDED}\n\nA & B"


def test_text_in_latin_1_with_parted_words(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes("---\nx: 1\n---\n# O clu-\nbe é\nde Faro".encode("latin-1"))
    remarks: list[str] = []
    (part,) = read(tmp_path / "a.md", remarks)
    assert part.text == "# O clube é de Faro"
    assert "cp1252" in remarks[0]


def test_passages_end_where_paragraphs_do(tmp_path: Path) -> None:
    parts = [Part("", f"Título\n\n{FOUNDED}\n\n{GROUND}"), Part("page 2", "7")]
    found = passages.of(tmp_path / "a.txt", parts, 200)
    assert [each.text for each in found] == [f"Título\n\n{FOUNDED}", GROUND]
    assert found[0].document == "a.txt"


# ---- pairs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        "Q: a?\nA: b.\nQ: c?\nA: d\ne.",
        "1. Question: a?\n   Answer: b.\n2. Question: c?\n   Answer: d\ne.",
        "**P1:** a?\n**R1:** b.\n\n**P2:** c?\n**R2:** d\ne.\nP3: lost?",
        "Aqui estão:\nPergunta: a?\nResposta: b.\nPergunta: c?\nResposta: d e.\nPergunta: A?\nR: x",
    ],
)
def test_pairs_are_read_out_of_what_a_model_says(said: str) -> None:
    assert questions.read(said, 5) == [Pair("a?", "b."), Pair("c?", "d e.")]


def test_what_is_no_pair_gives_none() -> None:
    assert questions.read("I cannot do that.\nA: b", 5) == []
    assert [questions.agreed(said) for said in ("Yes.", "**sim**", "No", "", "Yesterday")] == [
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("answer", "lacks"),
    [
        ("No dia 1 de abril de 1910.", ""),
        ("Um grupo de jovens fundou o clube em Faro.", ""),
        ("Em 1912.", "1912"),
        ("Pelos marinheiros ingleses ancorados no porto.", "marinheiros"),
        ("Faro", ""),
        ("Rio", "Rio"),
    ],
)
def test_answers_are_supported_by_words_and_numbers(answer: str, lacks: str) -> None:
    said = support.missing("Quando?", answer, FOUNDED)
    assert bool(said) == bool(lacks)
    assert lacks in said


def test_a_question_that_speaks_of_the_passage_is_set_aside() -> None:
    assert "nobody will see" in support.missing("What does the passage say?", "1910", FOUNDED)
