"""Paths are completed with Tab while they are typed, and left alone while they are passed."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Input

from farense_tui.ui.common.path_field import DataField, PathField, completed


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("questions", "answers-1", "answers-2", "questions/more", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "quotes.jsonl").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("q", "questions/"),
        ("a", "answers-"),
        ("answers-", "answers-"),
        ("answers-1", "answers-1"),
        ("./q", "./questions/"),
        ("~/q", "~/questions/"),
        ("questions/", "questions/more/"),
        (".h", ".hidden/"),
        ("nothing", "nothing"),
        ("nothing/at", "nothing/at"),
        ("mlx-community/Qwen", "mlx-community/Qwen"),
        ("quo", "quo"),
        ("", ""),
        ("\0/a", "\0/a"),
        ("q" * 300 + "/a", "q" * 300 + "/a"),
    ],
)
def test_what_becomes_of_a_path(place: Path, typed: str, expected: str) -> None:
    assert completed(typed) == expected
    assert completed(f"{place}/q") == f"{place}/questions/"


async def test_files_that_may_hold_rows_complete_where_data_is_asked_for(place: Path) -> None:
    (place / "quotes.pdf.txt").write_text("")

    class Asking(App[None]):
        def compose(self) -> ComposeResult:
            yield DataField()

    async with Asking().run_test() as pilot:
        await pilot.press(*"quo", "tab")
        assert pilot.app.query_one(DataField).value == "quotes.jsonl"


class Form(App[None]):
    """A field for a path and one below it."""

    def compose(self) -> ComposeResult:
        yield PathField("answers")
        yield Input()


async def test_tab_completes_what_is_typed_and_goes_on_from_what_is_not(place: Path) -> None:
    app = Form()
    async with app.run_test() as pilot:
        path, below = app.query(Input)
        path.focus()
        await pilot.press("tab")
        assert app.focused is below
        assert path.value == "answers"
        path.focus()
        path.value = ""
        await pilot.press("q", "tab")
        assert app.focused is path
        assert path.value == "questions/"
        await pilot.press("m", "tab")
        assert path.value == "questions/more/"
        assert path.cursor_position == len(path.value)
        await pilot.press("tab")
        assert app.focused is below
