"""`d` then `i`: files become the profile's data set, without leaving the app."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input, Static

from farense_tui.ui.app import FarenseApp
from farense_tui.ui.common.dialogs import ErrorDialog
from farense_tui.ui.launch.data.import_screen import ImportScreen
from tests.dataset import files
from tests.ui.runs.test_screen import Bare
from tests.ui.waiting import until


async def opened(pilot: Pilot[None], begun: str = "") -> list[str | None]:
    """Open the screen; gives a list into which it puts what it gives."""
    given: list[str | None] = []
    pilot.app.push_screen(ImportScreen(begun), given.append)
    await until(pilot, lambda: isinstance(pilot.app.screen, ImportScreen))
    return given


def told(screen: Screen[object]) -> str:
    return str(screen.query_one("#import-told Static", Static).render())


def put(app: FarenseApp, name: str, value: str) -> None:
    field = app.screen.query_one(f"#import-{name}", Input)
    field.value = value
    field.focus()


async def test_files_are_looked_at_then_made(tmp_path: Path) -> None:
    rows = [[f"{n}?", f"{n * 7919}."] for n in range(30)]
    source = files.table(tmp_path / "as perguntas.csv", ["pergunta", "resposta"], *rows)
    app = Bare(tmp_path / "runs")
    async with app.run_test(size=(100, 30)) as pilot:
        given = await opened(pilot)
        screen = app.screen
        put(app, "sources", f"'{source}'")
        await pilot.press("enter")
        await until(pilot, lambda: "⟦0.⟧" in told(screen))
        assert "CSV (cells between" in told(screen)
        await pilot.press("enter")
        await until(pilot, lambda: bool(given))
    place = tmp_path / "as perguntas-rows"
    assert given == [str(place)]
    assert len(files.rows(place)) == 24


async def test_it_begins_with_what_is_trained_on(tmp_path: Path) -> None:
    source = files.table(tmp_path / "as perguntas.csv", ["pergunta", "resposta"], ["a?", "b."])
    app = Bare(tmp_path / "runs")
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot, str(source))
        await until(pilot, lambda: "⟦b.⟧" in told(app.screen))
        assert app.screen.query_one("#import-sources", Input).value == f"'{source}'"
        await pilot.press("escape")
        given = await opened(pilot, "nobody/nothing")  # of the hub: asked for by enter alone
        assert app.screen.query_one("#import-sources", Input).value == "nobody/nothing"
        assert told(app.screen) == ""
        await pilot.press("escape")
        await until(pilot, lambda: given == [""])


async def test_the_folder_where_one_stands_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "rows"
    files.jsonl(folder / "train.jsonl", {"prompt": "a?", "completion": "b"})
    monkeypatch.chdir(folder)
    app = Bare(tmp_path / "runs")
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot)
        put(app, "sources", ".")
        await pilot.press("enter")
        await until(pilot, lambda: bool(app.screen.query_one("#import-to", Input).value))
        assert app.screen.query_one("#import-to", Input).value == f"{folder}-rows"


async def test_a_place_that_cannot_be_written_is_told_and_it_goes_on(tmp_path: Path) -> None:
    source = files.jsonl(tmp_path / "rows.jsonl", {"prompt": "a?", "completion": "b"})
    app = Bare(tmp_path / "runs")
    async with app.run_test(size=(100, 30)) as pilot:
        given = await opened(pilot)
        put(app, "sources", str(source))
        put(app, "to", f"{source}/d")
        await pilot.press("enter")
        await until(pilot, lambda: "✗" in told(app.screen))
        put(app, "to", str(tmp_path / "d"))
        await pilot.press("enter")
        await until(pilot, lambda: given == [str(tmp_path / "d")])


async def test_what_nothing_tells_is_asked(tmp_path: Path) -> None:
    source = files.table(tmp_path / "a.csv", ["title", "reply"], ["a", "b"])
    app = Bare(tmp_path / "runs")
    async with app.run_test(size=(100, 30)) as pilot:
        given = await opened(pilot)
        screen = app.screen
        put(app, "sources", str(source))
        await pilot.press("enter")
        await until(pilot, lambda: "columns: title, reply" in told(screen))
        put(app, "map", "prompt=title completion=reply")
        await pilot.press("enter")
        await until(pilot, lambda: "⟦b⟧" in told(screen))
        put(app, "to", str(tmp_path / "d"))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: bool(given))
    assert files.said(tmp_path / "d") == [["a", "b"]]


@pytest.mark.parametrize("typed", ["", "'a", "nowhere.csv"])
async def test_what_is_no_file_is_told(typed: str, tmp_path: Path) -> None:
    app = Bare(tmp_path / "runs")
    async with app.run_test(size=(100, 30)) as pilot:
        given = await opened(pilot)
        put(app, "sources", typed)
        await pilot.press("enter")
        screen = app.screen
        await until(
            pilot,
            lambda: isinstance(app.screen, ErrorDialog) or "there is no nowhere" in told(screen),
        )
        await pilot.press("escape", "escape")
        await until(pilot, lambda: given == [""] or not isinstance(app.screen, ErrorDialog))
