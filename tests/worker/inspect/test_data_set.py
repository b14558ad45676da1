"""What a look through a data set finds."""

from __future__ import annotations

import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from farense_worker.data import labels, text_faults
from farense_worker.inspect.data_set import Survey
from farense_worker.inspect.lengths import bins
from farense_worker.inspect.token_text import MOST_TOKENS, pieces
from farense_worker.protocol.dataset import Row
from farense_worker.protocol.messages.data_check import CODES, Report
from hypothesis import assume, given
from hypothesis import strategies as st

from farense_tui.engine.models.assets import embedded_data, embedded_model
from tests.tokenizers import chat, load, variant, write


@pytest.fixture(scope="module")
def tokenizer(micro: Path) -> Any:
    return load(micro)


def look(folder: Path, tokenizer: Any, *, mask_prompt: bool = True, **changes: Any) -> Report:
    survey = Survey(
        tokenizer,
        max_seq_length=32,
        mask_prompt=mask_prompt,
        examples=changes.pop("rows", 2),
        made_for=changes.pop("made_for", 0),
        tell=lambda _done, _total: None,
    )
    given: dict[str, Any] = {"model": "m", "no_tokenizer": "", "valid_fraction": 0.0, "seed": 0}
    return survey.report(folder, **given | changes)


def found(report: Report) -> set[tuple[str, str]]:
    return {
        (finding.code, f"{Path(finding.path).stem}:{finding.line}") for finding in report.findings
    }


def test_rows_longer_than_the_model_was_made_for(tmp_path: Path, tokenizer: Any) -> None:
    write(tmp_path / "train.jsonl", chat("ab", "cdef"), chat("a" * 9, "h" * 9))
    assert ("beyond", "train:2") not in found(look(tmp_path, tokenizer))
    report = look(tmp_path, tokenizer, made_for=20)
    (said,) = [each for each in report.findings if each.code == "beyond"]
    assert (said.line, said.what) == (2, "22 tokens, the model was made for 20")


@pytest.mark.parametrize(
    ("rows", "told"),
    [({"text": "ab"}, True), ({"prompt": "a", "completion": "b"}, False), (chat("x", "y"), False)],
)
def test_a_split_of_another_kind(
    tmp_path: Path, tokenizer: Any, rows: dict[str, Any], told: bool
) -> None:
    write(tmp_path / "train.jsonl", chat("ab", "cdef"))
    write(tmp_path / "valid.jsonl", rows, rows | {"id": 2})
    said = [each for each in look(tmp_path, tokenizer).findings if each.code == "other_kind"]
    assert [Path(each.path).name for each in said] == ["valid.jsonl"] * told


def test_a_clean_set(tmp_path: Path, tokenizer: Any) -> None:
    write(tmp_path / "train.jsonl", chat("ab", "cdef"), chat("g", "h"))
    write(tmp_path / "valid.jsonl", chat("x", "y"))
    report = look(tmp_path, tokenizer)
    assert report.findings == ()
    assert report.trainable
    train, valid = report.splits
    assert (train.name, train.rows, train.tokens, train.labels) == ("train", 2, 16, 7)
    assert (train.shortest, train.median, train.most, train.longest) == (6, 6, 10, 10)
    assert (valid.name, valid.rows) == ("valid", 1)
    assert look(tmp_path, tokenizer, mask_prompt=False).splits[0].labels == 14


def test_every_kind_of_finding_with_its_line(tmp_path: Path, tokenizer: Any) -> None:
    write(
        tmp_path / "train.jsonl",
        chat("a", "b"),
        chat("a", "b"),  # 2
        chat(" A", "b "),
        chat("x" * 40, "y"),  # 4
        chat("a", "z" * 40),
        chat("só isto"),  # 6
        "{",
        "[]",  # 8
        b'{"text": "\xff"}',
        {"text": "a"},  # 10
        chat("q", ""),
        chat("NÃ£o", "c"),  # 12
        chat("d", "perdido �"),
        chat("e", "\x1b[31m"),  # 14
        {"messages": [{"role": "assistant", "content": "f"}]},
    )
    write(tmp_path / "valid.jsonl", chat("a", "B"))
    write(tmp_path / "test.jsonl", chat("t"))
    report = look(tmp_path, tokenizer)
    assert found(report) == {
        ("duplicate", "train:2"),
        ("duplicate", "train:3"),
        ("labels_cut", "train:4"),
        ("truncated", "train:5"),
        ("asked_again", "train:5"),
        ("no_label", "train:6"),
        ("not_json", "train:7"),
        ("row", "train:8"),
        ("not_utf8", "train:9"),
        ("kind", "train:10"),
        ("empty_answer", "train:11"),
        ("mojibake", "train:12"),
        ("replacement", "train:13"),
        ("control", "train:14"),
        ("template", "train:15"),
        ("leak", "valid:1"),
        ("test_label", "test:1"),
    }
    assert set(report.counts) <= set(CODES)
    assert report.counts["duplicate"] == 2
    assert not report.trainable
    says = {(each.code, each.line): each.what for each in report.findings}
    assert says["duplicate", 2] == "the same as train.jsonl:1"
    assert says["duplicate", 3] == "the same as train.jsonl:1 but for white space and case"
    assert says["leak", 1] == "the same as train.jsonl:1 but for white space and case"
    assert says["truncated", 5] == "45 tokens, 13 are cut off: 13 of 41 labels"


@pytest.mark.parametrize("code", [code for code, (level, _) in CODES.items() if level == "warning"])
def test_warnings_do_not_refuse(code: str) -> None:
    assert Report("", "", 8, True, counts={code: 9}).trainable
    assert not Report("", "", 8, True, counts={code: 9, "too_many": 1}).trainable


def test_nothing_there(tmp_path: Path, tokenizer: Any) -> None:
    assert look(tmp_path / "no", tokenizer).findings[0].what == "there is no such folder"
    assert look(tmp_path, tokenizer).findings[0].what == "there is no train.jsonl in it"
    write(tmp_path / "train.jsonl", "")
    assert look(tmp_path, tokenizer).findings[0].what == "there is no row in it"
    assert not look(tmp_path, tokenizer).trainable


@pytest.mark.skipif(sys.platform != "linux", reason="a file that cannot be read, by /proc")
@pytest.mark.parametrize("split", ["train", "valid"])
def test_a_file_that_cannot_be_read_is_found(tmp_path: Path, tokenizer: Any, split: str) -> None:
    for name in {"train", "valid"} - {split}:
        write(tmp_path / f"{name}.jsonl", chat("Quem?", "Ele."))
    unread = tmp_path / f"{split}.jsonl"
    unread.symlink_to("/proc/self/mem")
    report = look(tmp_path, tokenizer)
    told = [(each.path, each.what) for each in report.findings if each.code == "file"]
    assert told == [(str(unread), "Input/output error")]
    assert not report.trainable


def test_without_a_tokenizer(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", chat("a", "b"), chat("a", "b"), "{")
    report = look(tmp_path, None, no_tokenizer="not here")
    assert found(report) == {("duplicate", "train:2"), ("not_json", "train:3")}
    assert (report.splits[0].rows, report.splits[0].tokens) == (2, 0)
    assert report.examples == ()


def test_a_model_without_a_template(tmp_path: Path, micro: Path) -> None:
    bare = load(variant(micro, tmp_path / "bare", chat_template=None))
    write(tmp_path / "train.jsonl", chat("a", "b"), chat("a", "b"))
    report = look(tmp_path, bare)
    assert found(report) == {("no_template", "train:0"), ("duplicate", "train:2")}
    assert report.splits[0].rows == 2


def test_many_findings_are_counted_and_few_are_kept(tmp_path: Path, tokenizer: Any) -> None:
    write(tmp_path / "train.jsonl", *(["x"] * 300), chat("a", "b"))
    report = look(tmp_path, tokenizer)
    assert report.counts == {"not_json": 300}
    assert len(report.findings) == 50


def test_the_rows_that_training_would_set_aside(tmp_path: Path, tokenizer: Any) -> None:
    write(tmp_path / "train.jsonl", *(chat(str(at), "a") for at in range(40)))
    assert look(tmp_path, tokenizer, valid_fraction=0.1).set_aside == 4
    assert not look(tmp_path, tokenizer, valid_fraction=0.1).unvalidated
    assert look(tmp_path, tokenizer).unvalidated
    write(tmp_path / "valid.jsonl", chat("x", "y"))
    assert look(tmp_path, tokenizer, valid_fraction=0.1).set_aside == 0
    assert not look(tmp_path, tokenizer).unvalidated


def test_progress(tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr("farense_worker.inspect.data_set.time.monotonic", lambda: next(clock))
    write(tmp_path / "train.jsonl", *(chat(str(at), "a") for at in range(5)), "")
    told: list[tuple[int, int]] = []
    Survey(
        tokenizer,
        max_seq_length=32,
        mask_prompt=True,
        examples=0,
        tell=lambda done, total: told.append((done, total)),
    ).report(tmp_path, model="", no_tokenizer="", valid_fraction=0, seed=0)
    assert told == [(at, 5) for at in range(1, 6)]


def test_our_own_data_is_sound() -> None:
    report = look(embedded_data(), load(embedded_model()))
    assert set(report.counts) <= {"truncated"}  # at 32 tokens


# ---- signs of damage ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "right",
    ["não", "coração é bom", "“aspas”", "preço: 5 €", "até já… – fim", "Žižek", "😀", "ò Ó"],
)
def test_what_was_decoded_in_a_wrong_way_is_found(right: str) -> None:
    wrong = right.encode().decode("cp1252", "replace").replace("�", "\x81")
    assert [code for code, _ in text_faults.find(wrong)] == ["mojibake"]
    assert text_faults.find(right) == []


@pytest.mark.parametrize(
    "right",
    [
        "NÃO",
        "a IRMÃ”, disse",
        "A MANHÃ…",
        "ELE É… ou não é…”",
        "«À» — “É”",
        "Â",
        "Äänekoski",
        "tab\tnova linha\r\n",
        "👩‍🚀",
        "日本語",
    ],
)
def test_right_text_is_left_alone(right: str) -> None:
    assert text_faults.find(right) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [("\x00", "U+0000"), ("a\x1b[2Jb\x07", "U+0007, U+001B 2 times"), ("a\u202eb", "U+202E")],
)
def test_control_characters_are_named(text: str, names: str) -> None:
    assert text_faults.find(text) == [("control", names)]


@given(st.text(st.characters(max_codepoint=0x17F, exclude_categories=("Cc", "Cs")), max_size=20))
def test_any_latin_text_decoded_wrongly_is_found_or_harmless(text: str) -> None:
    wrong = text.encode().decode("latin-1")
    # A capital, then one of these and a closing mark, may be right as it is, and is left alone.
    assume(not re.search(r"[^\W\d_][ÂÃÄÅ]»", wrong))
    if wrong != text:
        assert any(code == "mojibake" for code, _ in text_faults.find(wrong)) or not set(
            wrong
        ) & set("ÃÄÅ")


@pytest.mark.parametrize("text", ["«IRMÃ»", "«AÄ»", "CAFÉ E MAÇÃ…"])
def test_a_capital_before_a_closing_mark_is_no_fault(text: str) -> None:
    assert text_faults.find(text) == []


# ---- lengths ------------------------------------------------------------------------------------


def test_rows_whose_template_writes_nothing_have_a_bin() -> None:
    (only,) = bins(np.zeros(3, np.int32))
    assert only.rows == 3


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=300))
def test_bins_hold_all_rows(values: list[int]) -> None:
    lengths = np.sort(np.array(values, np.int32))
    made = bins(lengths)
    assert 1 <= len(made) <= 12
    assert sum(each.rows for each in made) == len(values)
    for each in made:
        inside = (lengths >= each.start) & ((lengths <= each.end) if each.end else True)
        assert inside.sum() == each.rows
    assert all(a.end + 1 == b.start for a, b in pairwise(made))


# ---- pieces -------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["embedded", "micro"])
@given(question=st.text(st.characters(exclude_categories=("Cs", "Cc"))), data=st.data())
def test_the_pieces_are_the_row(
    model: str, question: str, data: st.DataObject, micro: Path
) -> None:
    tokenizer = TOKENIZERS.setdefault(
        model, load(embedded_model() if model == "embedded" else micro)
    )
    answer = data.draw(st.text(st.characters(exclude_categories=("Cs", "Cc"))))
    limit = data.draw(st.integers(4, 60))
    encoded = labels.encode(tokenizer, Row(1, "chat", chat(question, answer)), True)
    made = pieces(tokenizer, encoded, limit)
    whole = tokenizer.decode(encoded.tokens[:MOST_TOKENS], skip_special_tokens=False)
    trained = tokenizer.decode(encoded.tokens[encoded.first :], skip_special_tokens=False)
    if len(encoded.tokens) <= limit:
        assert "".join(piece.text for piece in made) == whole
        assert "".join(piece.text for piece in made if piece.label) == trained
    assert any(piece.cut for piece in made) == (len(encoded.tokens) > limit)
    assert not any(piece.cut and piece.label for piece in made)


TOKENIZERS: dict[str, Any] = {}


def test_a_long_row_is_shown_in_part(tmp_path: Path, tokenizer: Any) -> None:
    write(tmp_path / "train.jsonl", chat("a", "b" * 5000))
    (example,) = look(tmp_path, tokenizer).examples
    assert example.tokens == 5005
    assert example.hidden == example.tokens - MOST_TOKENS
    assert sum(len(piece.text) for piece in example.pieces) < 5000


def test_one_long_row_does_not_squash_the_others_into_one_bin() -> None:
    lengths = np.sort(np.array([*range(20, 79), 4000], np.int32))
    found = bins(lengths)
    assert sum(each.rows for each in found) == 60
    assert [(each.start, each.end, each.rows) for each in found[:3]] == [
        (1, 32, 13),
        (33, 64, 32),
        (65, 128, 14),
    ]
    assert found[-1].rows == 1
    assert all(after.start == each.end + 1 for each, after in pairwise(found))
