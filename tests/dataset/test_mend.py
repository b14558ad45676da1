"""What helps a data set: told by `data check` with the command, which makes a new folder."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from farense_worker.protocol.shapes.columns import Unfit
from hypothesis import given
from hypothesis import strategies as st

from farense_tui.cli import main
from farense_tui.dataset import cut
from tests.dataset import files
from tests.dataset.test_make import pairs
from tests.tokenizers import chat


def check(folder: Path, capfd: pytest.CaptureFixture[str], model: Path) -> list[str]:
    """Give the words of the command that `data check` tells."""
    main(["data", "check", str(folder), "--profile", "demo", "--model", str(model)])
    out = capfd.readouterr().out
    return shlex.split(out[out.index("farense-tui data mend") :].splitlines()[0])[1:]


def test_the_command_that_is_told_helps(
    tmp_path: Path, micro: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows: list[dict[str, Any]] = [chat(row["prompt"], row["completion"]) for row in pairs(30)]
    rows += [
        rows[3],
        {"messages": "nothing"},
        chat("NÃ£o?", "Sim."),
        chat("a", "b", "c" * 400, "d"),
        chat("e" * 400, "f"),
    ]
    files.jsonl(tmp_path / "d/train.jsonl", *rows)
    before = (tmp_path / "d/train.jsonl").read_bytes()
    words = check(tmp_path / "d", capfd, micro)
    assert {"--leave-out", "--cut", "--valid"} <= set(words)
    assert main([*words, "--profile", "demo", "--model", str(micro)]) == 0
    place = Path(words[words.index("--to") + 1])
    left = {each["row"]: each["rule"] for each in files.rows(place, "left_out")}
    assert left == {31: "duplicate", 32: "row", 33: "mojibake", 35: "too_long"}
    made = files.said(place) + files.said(place, "valid")
    assert len(made) == 31
    assert ["a", "b"] in made
    assert (tmp_path / "d/train.jsonl").read_bytes() == before
    assert main(["data", "check", str(place), "--profile", "demo", "--model", str(micro)]) == 0
    assert "farense-tui data mend" not in capfd.readouterr().out


def test_codes_that_there_are_not_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files.jsonl(tmp_path / "d/train.jsonl", *pairs(3))
    words = ["data", "mend", str(tmp_path / "d"), "--to", str(tmp_path / "e")]
    assert main([*words, "--leave-out", "mojibake,nope"]) == 2
    assert "mojibake" in capfd.readouterr().err


@given(st.text(max_size=200), st.integers(1, 60))
def test_pieces_are_short_and_lose_nothing_but_space(text: str, most: int) -> None:
    pieces = cut.pieces(text, most)
    assert all(0 < len(piece) <= most for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_text_is_cut_where_paragraphs_or_sentences_end() -> None:
    text = "Um clube. De Faro.\n\nFundado em 1910. Joga de preto."
    assert cut.pieces(text, 40) == ["Um clube. De Faro.", "Fundado em 1910. Joga de preto."]
    assert cut.pieces(text, 20)[1:] == ["Fundado em 1910.", "Joga de preto."]


def test_answers_are_not_cut() -> None:
    with pytest.raises(Unfit):
        cut.cut({"prompt": "a", "completion": "b" * 100}, 0.5)
    with pytest.raises(Unfit):
        cut.cut(chat("a" * 100, "b"), 0.5)
    assert cut.cut(chat("a", "b", "c" * 100, "d"), 0.5) == [chat("a", "b")]


@pytest.mark.parametrize(
    ("names", "row"),
    [
        ({"prompt": "uno"}, {"uno": "Quem?", "completion": "Ele."}),
        ({"completion": "duo"}, {"prompt": "Quem?", "duo": "Ele."}),
        ({"prompt": "uno", "completion": "duo"}, {"uno": "Quem?", "duo": "Ele."}),
        ({"text": "uno"}, {"uno": "Um clube."}),
        ({"chat": "uno"}, {"uno": chat("Quem?", "Ele.")["messages"]}),
    ],
)
def test_columns_go_by_the_names_of_the_profile(
    tmp_path: Path, names: dict[str, str], row: dict[str, Any]
) -> None:
    files.jsonl(tmp_path / "d/train.jsonl", row, {"nothing": 1})
    words = ["data", "mend", str(tmp_path / "d"), "--to", str(tmp_path / "e"), "--profile", "demo"]
    told = [f"--set=data.{key}_feature={name}" for key, name in names.items()]
    assert main([*words, "--leave-out", "row", *told]) == 0
    assert files.said(tmp_path / "e") == [["Um clube."] if "text" in names else ["Quem?", "Ele."]]
