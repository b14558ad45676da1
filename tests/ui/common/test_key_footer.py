"""The footer: what there is no room for is left out, never the way out or to the help."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from farense_tui.ui.app import FarenseApp
from farense_tui.ui.common.key_footer import KeyFooter
from farense_tui.ui.launch.screen import LaunchScreen
from tests.ui.waiting import until


def shown(app: FarenseApp) -> list[str]:
    keys = app.screen.query_one(KeyFooter).children
    return [f" {key.key_display} {key.description} " for key in keys]  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
async def test_help_and_quit_are_in_sight(runs_dir: Path, width: int) -> None:
    app = FarenseApp(runs_dir)
    async with app.run_test(size=(width, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        ends = ["? Help", "q Quit"]
        await until(pilot, lambda: [key.strip() for key in shown(app)][-2:] == ends)
        assert shown(app)[0].strip() == "s Start"
        assert sum(map(cell_len, shown(app))) <= width
        before = len(shown(app))
        await pilot.resize_terminal(140, 24)
        await until(pilot, lambda: len(shown(app)) > before or width == 120)
        await pilot.resize_terminal(width, 24)
        await until(pilot, lambda: len(shown(app)) == before)
