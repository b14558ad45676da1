"""The very first start, and the tour."""

from __future__ import annotations

from pathlib import Path

import pytest

from farense_tui.engine.runs import clock
from farense_tui.ui import preferences
from farense_tui.ui.app import FarenseApp
from farense_tui.ui.first_start import with_tour
from farense_tui.ui.first_start.tour import CARDS, Tour
from farense_tui.ui.first_start.welcome import Welcome
from farense_tui.ui.launch.screen import LaunchScreen
from farense_tui.ui.monitor.screen import MonitorScreen
from tests.ui.conftest import text_of
from tests.ui.waiting import until

WELCOMED, NOW = preferences.welcomed, clock.now


async def test_the_first_start_says_what_this_is_and_no_other_does(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preferences, "welcomed", WELCOMED)
    app = FarenseApp(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, Welcome))
        assert "Welcome to farense-tui" in text_of(app.screen)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
    app = FarenseApp(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))


async def test_the_first_start_tells_of_a_webhook(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preferences, "welcomed", WELCOMED)
    monkeypatch.setattr(preferences, "webhook", lambda: "https://ntfy.example/secret")
    async with FarenseApp(runs_dir).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(pilot.app.screen, Welcome))
        assert "ntfy.example" in text_of(pilot.app.screen)
        assert "secret" not in text_of(pilot.app.screen)


async def test_the_tour_plays_a_run_and_throws_it_away(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(with_tour, "_SPEED", 60.0)
    app = FarenseApp(runs_dir)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        await pilot.press("question_mark", "t")
        await until(pilot, lambda: isinstance(app.screen, Tour))
        assert any(isinstance(screen, MonitorScreen) for screen in app.screen_stack)
        (worker,) = app.started
        tour = app.screen
        assert isinstance(tour, Tour)
        for number, card in enumerate(CARDS):
            await until(pilot, lambda number=number: tour.at == number)  # type: ignore[misc]
            assert card.title in text_of(tour)
            assert card.due(tour.monitor) or tour.monitor.end
            await pilot.press("enter")
            if tour.waits:  # the next card comes by itself; what is awaited is told
                assert CARDS[number + 1].awaited[:30] in text_of(tour)
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        await until(pilot, lambda: not worker.folder.path.parent.exists())
        assert app.started == []
        assert not clock._played  # the time is the system's again
    assert not list(runs_dir.iterdir())


async def test_a_long_notice_is_shown_to_its_end_in_a_narrow_terminal(runs_dir: Path) -> None:
    app = FarenseApp(runs_dir)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        app.notify(f"{'some words ' * 30}ends-here", timeout=600)
        await until(pilot, lambda: "ends-here" in text_of(app.screen), seconds=60)
