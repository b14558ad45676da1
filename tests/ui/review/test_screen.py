"""A draft is read pair by pair; each decision stands in the folder at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from farense_tui.dataset.documents import draft, drafting
from farense_tui.ui.app import FarenseApp
from farense_tui.ui.common.dialogs import Dialog
from farense_tui.ui.review.screen import EditDialog, ReviewScreen
from tests.dataset.documents.papers import FOUNDED, GROUND, Scripted
from tests.ui.conftest import in_sizes_and_themes
from tests.ui.waiting import until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A draft of two passages, of whose pairs one each is set aside."""
    for name, text in (("a.txt", FOUNDED), ("b.txt", GROUND)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    drafting.begin([tmp_path / "a.txt", tmp_path / "b.txt"], tmp_path / "draft", model="scripted")
    draft.go_on(tmp_path / "draft", Scripted(), lambda _: None)
    return tmp_path / "draft"


def states(folder: Path) -> list[str]:
    return [each.state for each in draft.shown(folder)]


def told(app: FarenseApp, where: str) -> str:
    return str(app.screen.query_one(where, Static).render())


async def test_pairs_are_kept_dropped_and_edited_by_keys(folder: Path) -> None:
    app = FarenseApp(folder / "runs", review=folder)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        assert told(app, "#review-question") == "O que se diz de Sporting?"
        assert "2 set aside" in told(app, "#review-place")
        await pilot.press("enter", "d", "p", "u", "e")
        await until(pilot, lambda: isinstance(app.screen, EditDialog))
        app.screen.query_one("#edit-question", Input).value = "Quem?"
        await pilot.press("enter")
        app.screen.query_one("#edit-answer", Input).value = "Eles."
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, Dialog))
        assert states(folder) == ["keep", "keep", "open", "open", "open", "open"]
        assert told(app, "#review-question") == "Quem?"
        await pilot.press("a", "n")
        assert "not in the passage: 1777" in told(app, "#review-why")
        await pilot.press("escape")
    shown = draft.shown(folder)
    assert (shown[1].question, shown[1].answer) == ("Quem?", "Eles.")


async def test_it_goes_on_where_one_was(folder: Path) -> None:
    draft.decide(folder, draft.Decision(0, 0, "keep"))
    app = FarenseApp(folder / "runs", review=folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        assert told(app, "#review-place").startswith("2/4")


async def test_a_draft_without_pairs_can_be_left(folder: Path) -> None:
    (folder / draft.PAIRS).unlink()
    app = FarenseApp(folder / "runs", review=folder)
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        await pilot.press("enter", "d", "e", "n", "p", "a", "u")
        assert told(app, "#review-place").startswith("no pairs")
        await pilot.press("escape")


@in_sizes_and_themes
def test_review(
    snap_compare: Callable[..., bool], folder: Path, size: tuple[int, int], theme: str
) -> None:
    app = FarenseApp(folder / "runs", review=folder)

    async def steps(pilot: Pilot[None]) -> None:
        app.theme = theme
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        await pilot.press("a", "n", "n")

    assert snap_compare(app, terminal_size=size, run_before=steps)
