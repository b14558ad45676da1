"""The doctor's panel on the launch screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from farense_worker.protocol.settings.profile import Profile
from textual.pilot import Pilot
from textual.widgets import Static

from farense_tui.engine.preflight import doctor
from farense_tui.engine.preflight.doctor import Check
from farense_tui.ui.app import FarenseApp
from farense_tui.ui.common.doctor import CheckLine, DoctorScreen
from farense_tui.ui.launch.screen import LaunchScreen
from tests.ui.runs.test_screen import Bare
from tests.ui.waiting import until

CHECKS = [
    Check("Python", "ok", "3.12.1"),
    Check("Power", "warn", "on battery at 71%", "Plug it in: a run takes hours."),
    Check("Data", "fail", "[b]x[/b]\x1b[2J: there is no such folder", "Give another."),
]


def found(*_: object) -> Iterator[Check]:
    yield from CHECKS


@pytest.mark.parametrize(
    ("checks", "whole"),
    [
        (CHECKS, "1 would keep a run from being started"),
        (CHECKS[:2], "a run can be started; 1 to think about"),
        (CHECKS[:1], "all is well"),
    ],
)
async def test_each_line_and_the_whole(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch, checks: list[Check], whole: str
) -> None:
    monkeypatch.setattr(doctor, "checks", lambda *_: iter(checks))
    app = FarenseApp(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("o")
        screen = app.screen
        assert isinstance(screen, DoctorScreen)
        await until(pilot, lambda: screen.over)
        lines = [each.query_one(".found", Static).render() for each in screen.query(CheckLine)]
        assert len(lines) == len(checks)
        assert whole in str(screen.query_one(".whole", Static).render())
        if len(lines) == 3:
            assert "[b]x[/b]" in str(lines[2])
            assert "\x1b" not in str(lines[2])
        await pilot.press("escape")
        assert isinstance(app.screen, LaunchScreen)


async def test_the_real_one_ends_when_it_is_closed(runs_dir: Path) -> None:
    app = FarenseApp(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("o")
        screen = app.screen
        assert isinstance(screen, DoctorScreen)
        await until(pilot, lambda: screen.found)
        await pilot.press("o")
        assert isinstance(app.screen, LaunchScreen)
        assert screen._stop.asked


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=str)
def test_the_panel(
    snap_compare: object, runs_dir: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "checks", found)

    async def steps(pilot: Pilot[None]) -> None:
        screen = DoctorScreen(Profile(), runs_dir)
        await pilot.app.push_screen(screen)
        await until(pilot, lambda: screen.over)

    assert snap_compare(Bare(runs_dir), terminal_size=size, run_before=steps)  # type: ignore[operator]
