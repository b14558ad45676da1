"""From documents to rows: a draft that goes on where it broke off, a review, a data set."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from farense_worker.protocol.errors import FarenseError

from farense_tui.cli import main
from farense_tui.dataset.documents import draft, drafting, models, questions
from farense_tui.dataset.documents.draft import Decision
from farense_tui.dataset.documents.questions import Pair
from tests.dataset import files
from tests.dataset.documents.address import Body, behind_an_address, says
from tests.dataset.documents.papers import FOUNDED, GROUND, Scripted

TEXT = "\n\n".join(
    f"{text} Capítulo {n}: {text[::-1]}" for n in range(4) for text in (FOUNDED, GROUND)
)


def begin(tmp_path: Path, to: str = "draft") -> Path:
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    drafting.begin([tmp_path / "a.txt"], tmp_path / to, model="scripted")
    return tmp_path / to


def test_a_draft_that_was_broken_off_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    whole, parted = begin(tmp_path), begin(tmp_path, "parted")
    draft.go_on(whole, Scripted(), lambda _: None)
    for after in (1, 2, 4):
        with pytest.raises(KeyboardInterrupt):
            draft.go_on(parted, Scripted(after), lambda _: None)
        with (parted / draft.PAIRS).open("ab") as file:
            file.write(b'{"passage":1,"pa')  # killed while it wrote
        begin(tmp_path, "parted")  # the same command
    draft.go_on(parted, Scripted(), lambda _: None)
    for name in (draft.SETTINGS, draft.PASSAGES, draft.PAIRS):
        assert (whole / name).read_bytes() == (parted / name).read_bytes()
    again = Scripted()
    draft.go_on(parted, again, lambda _: None)
    assert again.asked == []


def test_what_holds_no_document_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe.txt")
    for name, why in (("empty", "there are no documents"), ("pipe.txt", "neither a file nor")):
        with pytest.raises(FarenseError, match=why):
            drafting.begin([tmp_path / name], tmp_path / "draft", model="scripted")


def test_pairs_of_a_passage_that_there_is_not_are_told(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    for passage in (-1, 99):
        pair = {"question": "a?", "answer": "b", "aside": ""}
        line = json.dumps({"passage": passage, "pairs": [pair]})
        (folder / draft.PAIRS).write_text(f"{line}\n")
        assert main(["data", "review", str(folder), "--list"]) == 3
        with pytest.raises(FarenseError, match="is damaged"):
            draft.shown(folder)


def test_what_the_passage_does_not_support_is_set_aside_with_the_reason(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    draft.go_on(folder, Scripted(), lambda _: None)
    pairs = draft.shown(folder)
    assert [each.pair.aside for each in pairs[:3]] == ["", "", "not in the passage: 1777"]
    assert pairs[0].passage.text.startswith(FOUNDED)


def test_another_draft_in_its_place_is_refused(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    with pytest.raises(FarenseError, match="other documents"):
        drafting.begin([tmp_path / "a.txt"], folder, model="another")


def test_rows_are_what_a_person_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = begin(tmp_path)
    draft.go_on(folder, Scripted(), lambda _: None)
    make = ["data", "make", str(folder), "--to", str(tmp_path / "d"), "--valid", "0"]
    assert main(make) == 3
    assert "nothing of" in capsys.readouterr().err
    draft.decide(folder, Decision(0, 0, "keep"))
    draft.decide(folder, Decision(0, 1, "keep", "E agora?", "Outra coisa."))
    draft.decide(folder, Decision(1, 0, "keep"))
    draft.decide(folder, Decision(1, 0, "drop"))
    assert main(make) == 0
    assert files.said(tmp_path / "d") == [
        ["O que se diz de Sporting?", FOUNDED[:60]],
        ["E agora?", "Outra coisa."],
    ]
    assert main(["data", "review", str(folder), "--list"]) == 0
    assert "2 kept, 1 dropped" in capsys.readouterr().out


def test_the_demo_model_goes_through_the_motions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It writes no questions in the form that is asked for; what it says breaks nothing."""
    (tmp_path / "a.txt").write_text(FOUNDED, encoding="utf-8")
    words = ["data", "draft", str(tmp_path / "a.txt"), "--to", str(tmp_path / "draft")]
    assert main([*words, "--profile", "demo", "--questions", "1"]) == 0
    out = capsys.readouterr().out
    assert "passages: 1; documents: 1" in out
    assert "1 passage has none" in out
    assert "a larger model may write some" in out
    assert (tmp_path / "draft" / draft.PAIRS).read_bytes().count(b"\n") == 1


@pytest.fixture
def server() -> Iterator[tuple[str, list[Body]]]:
    """An address, and what it was asked; the first time it is busy, and it has no model nobody."""
    asked: list[Body] = []

    def refused(body: Body) -> int:
        asked.append(body)
        if body["model"] == "nobody":
            return 404
        return 503 if len(asked) == 1 else 0

    with behind_an_address(refused) as url:
        yield url, asked


def test_an_address_is_asked(
    server: tuple[str, list[Body]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, asked = server
    monkeypatch.setenv(models.KEY, "k")
    (tmp_path / "a.txt").write_text(FOUNDED, encoding="utf-8")
    words = ["data", "draft", str(tmp_path / "a.txt"), "--to", str(tmp_path / "draft")]
    assert main([*words, "--address", url, "--name", "big"]) == 0
    assert len(draft.shown(tmp_path / "draft")) == 3
    assert (asked[0]["model"], asked[0]["temperature"]) == ("big", 0)
    assert asked[0]["key"] == "Bearer k"


def test_an_address_that_refuses_is_told(server: tuple[str, list[Body]], tmp_path: Path) -> None:
    with pytest.raises(FarenseError, match="does not answer") as told:
        models.Address(server[0], "nobody").ask("a", 1)
    assert "404" in told.value.detail
    with pytest.raises(FarenseError, match="is no address"):
        models.Address("file:///etc/passwd", "a")


def test_an_address_where_nothing_is_is_told_in_the_systems_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(models, "_TRIES", 1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(FarenseError, match="does not answer") as told:
        models.Address(f"http://127.0.0.1:{port}/v1", "nobody").ask("a", 1)
    assert told.value.detail == os.strerror(errno.ECONNREFUSED)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 200_000, "nested|recursion"),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>", "Expecting value"),
        (b'HTTP/1.1 200 OK\r\n\r\n{"choices": {}}', "0"),
        (b'HTTP/1.1 200 OK\r\n\r\n{"choices": [{"message": {"content": [1]}}]}', "no text"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "IncompleteRead|Expecting"),
        (b"SSH-2.0-OpenSSH\r\n", "SSH"),
        (b"HTTP/1.1 404 \x1b[2J\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "404"),
    ],
    ids=("deep", "page", "mapping", "list", "short", "ssh", "chunks"),
)
def test_what_is_no_answer_is_told(
    answer: bytes, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "_TRIES", 1)
    with says(answer) as url, pytest.raises(FarenseError, match="does not answer") as caught:
        models.Address(url, "big").ask("?", 9)
    assert re.search(why, caught.value.detail)


def test_the_key_goes_to_the_address_that_was_named_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(models.KEY, "secret")
    with socket.create_server(("127.0.0.1", 0)) as other:
        there = f"http://127.0.0.1:{other.getsockname()[1]}/"
        answer = f"HTTP/1.1 302 Found\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n"
        with says(answer.encode()) as url, pytest.raises(FarenseError) as caught:
            models.Address(url, "big").ask("?", 9)
        assert "302" in caught.value.detail
        other.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has called
            other.accept()


@pytest.mark.parametrize(
    "flood", ["q" + " " * 99_999, "q" + " " * 99_999 + "1", "q:" * 50_000], ids="abc"
)
def test_a_model_that_repeats_itself_is_read_at_once(flood: str) -> None:
    said = f"{flood}\n**Q 1)** Quem?\n*A:* Ele.\n"
    assert Pair("Quem?", "Ele.") in questions.read(said, 9)
