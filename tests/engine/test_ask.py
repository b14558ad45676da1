"""Questions to models, asked of a real `python -m worker.ask`."""

from __future__ import annotations

from pathlib import Path

import pytest

from farense_tui.engine.ask import ask
from worker.protocol.errors import FarenseError


def test_an_answer_comes_in_pieces_and_has_an_end(micro: Path) -> None:
    pieces = list(ask(str(micro), [], "Quem?", 3))
    assert {piece.adapter for piece in pieces} == {""}
    assert [piece.done for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert "".join(piece.text for piece in pieces)


def test_what_libraries_say_meanwhile_does_not_block_the_answer(
    micro: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More on stderr than a pipe holds, which is 64 KiB."""
    monkeypatch.setenv("PYTHONVERBOSE", "1")
    assert list(ask(str(micro), [], "Quem?", 1))[-1].done


def test_a_question_that_begins_like_an_option_is_one(micro: Path) -> None:
    assert list(ask(str(micro), [], "--help", 1))[-1].done


def test_an_adapter_that_cannot_be_loaded_is_told(micro: Path, tmp_path: Path) -> None:
    with pytest.raises(FarenseError, match="the adapter of one cannot be loaded") as caught:
        list(ask(str(micro), [("one", str(tmp_path))], "Quem?", 1))
    assert caught.value.kind == "adapter"


def test_a_model_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(FarenseError, match="there is no model"):
        list(ask(str(tmp_path / "gone"), [], "Quem?", 1))
