"""Pictures of the launch screen, the list and the dialogs, each a state worth seeing."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from farense_tui.engine.profiles import catalogue
from farense_tui.ui.app import FarenseApp
from farense_tui.ui.launch.plan.panel import PlanPanel
from farense_tui.ui.launch.screen import LaunchScreen
from farense_tui.ui.launch.settings_form import SettingsForm
from farense_tui.ui.runs.run_table import RunTable
from farense_tui.ui.runs.screen import RunsScreen
from tests.ui import recorded
from tests.ui.runs.test_screen import Bare
from tests.ui.waiting import until

SIZES = [(80, 24), (120, 36)]
Compare = Callable[..., bool]
Steps = Callable[[Pilot[None]], Awaitable[None]]


def at_launch(*keys: str, field: str = "") -> Steps:
    """Wait until everything is there, go to a field, then press keys."""

    async def steps(pilot: Pilot[None]) -> None:
        screen = pilot.app.screen
        assert isinstance(screen, LaunchScreen)
        panel = screen.query_one(PlanPanel)
        await until(pilot, lambda: screen.query_one(SettingsForm).ready and panel.complete)
        if field:
            screen.query_one(SettingsForm).row(field).query_one(".field").focus()
        await pilot.press(*keys)
        await until(pilot, lambda: panel.complete)
        await pilot.pause()

    return steps


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_launch(snap_compare: Compare, runs_dir: Path, size: tuple[int, int]) -> None:
    app = FarenseApp(runs_dir)
    assert snap_compare(app, terminal_size=size, run_before=at_launch())


def test_launch_in_a_large_light_terminal(snap_compare: Compare, runs_dir: Path) -> None:
    recorded.live(runs_dir)
    app = FarenseApp(runs_dir)
    assert snap_compare(app, terminal_size=(200, 50), run_before=at_launch("t", "4"))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_wrong_setting(snap_compare: Compare, runs_dir: Path, size: tuple[int, int]) -> None:
    steps = at_launch("9", "down", "ctrl+u", "0", field="train.learning_rate")
    app = FarenseApp(runs_dir)
    assert snap_compare(app, terminal_size=size, run_before=steps)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_all_settings(snap_compare: Compare, runs_dir: Path, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await at_launch("4", "slash")(pilot)
        form = pilot.app.screen.query_one(SettingsForm)
        await until(pilot, lambda: form.ready)
        await pilot.press(*"memory", "enter")
        headline = pilot.app.screen.query_one("#headline", Static)
        # The end of the sentence, in any language: no forecast is being made any more.
        await until(pilot, lambda: re.search(r"\b160 \w+\.$", str(headline.render())))
        await pilot.pause()

    assert snap_compare(FarenseApp(runs_dir), terminal_size=size, run_before=steps)


def test_a_profile_with_faults(snap_compare: Compare, runs_dir: Path) -> None:
    own = catalogue.own_folder()
    own.mkdir()
    (own / "broken.toml").write_text("[train]\nbatch_sze = 3\nepochs = 0\n")
    app = FarenseApp(runs_dir)
    assert snap_compare(app, terminal_size=(120, 36), run_before=at_launch("4"))


def test_the_help(snap_compare: Compare, runs_dir: Path) -> None:
    app = FarenseApp(runs_dir)
    keys = at_launch("question_mark")
    assert snap_compare(app, terminal_size=(120, 36), run_before=keys)


def test_a_name_for_a_profile(snap_compare: Compare, runs_dir: Path) -> None:
    app = FarenseApp(runs_dir)
    profiles_folder = Path("/home/ana/farense/profiles")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "own_folder", lambda: profiles_folder)
        keys = at_launch("w", "ctrl+u", "/")
        assert snap_compare(app, terminal_size=(80, 24), run_before=keys)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_runs(
    snap_compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.chdir(tmp_path)
    there = tmp_path / "checkpoints"
    there.mkdir()
    for name, make in (
        ("demo-1", recorded.completed),
        ("demo-2", recorded.failed),
        ("a-name-as-long-as-names-of-runs-sometimes-are", recorded.live),
    ):
        make(tmp_path / name).folder.path.rename(there / name)
    app = Bare(Path("checkpoints"))

    async def steps(pilot: Pilot[None]) -> None:
        app.open_runs()
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
        table = pilot.app.screen.query_one(RunTable)
        await until(pilot, lambda: table.row_count == 3)
        await pilot.press("down")
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=steps)
