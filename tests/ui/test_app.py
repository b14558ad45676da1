"""Leaving, help, palette, themes: what is the same on every screen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from farense_worker.protocol import simulation
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.messages.events import Phase, encode
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.simulation import Simulation
from textual.color import Color
from textual.command import CommandList, CommandPalette
from textual.css.query import NoMatches
from textual.message import Message
from textual.pilot import Pilot
from textual.widgets import Static

from farense_tui.engine.runs import clock
from farense_tui.engine.runs.describe import is_paused
from farense_tui.engine.status_words import STATUS
from farense_tui.ui.app import FarenseApp
from farense_tui.ui.commands import FarenseCommands
from farense_tui.ui.common.dialogs import ErrorDialog
from farense_tui.ui.common.help import HelpScreen
from farense_tui.ui.launch.profile_cards import ProfileCards
from farense_tui.ui.launch.screen import LaunchScreen
from farense_tui.ui.monitor.leave import LeaveDialog
from farense_tui.ui.monitor.screen import MonitorScreen
from farense_tui.ui.theme import CONTRAST, THEMES
from tests.ui import recorded
from tests.ui.conftest import NOW, StandIn, text_of
from tests.ui.runs.test_screen import Bare
from tests.ui.waiting import until


@pytest.mark.parametrize("key", ["b", "escape"])
async def test_a_run_goes_on_when_the_screen_is_left(
    tmp_path: Path, stand_in: StandIn, key: str
) -> None:
    folder = recorded.live(tmp_path).folder
    process = stand_in(folder)
    app = FarenseApp(tmp_path, folder)
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        app.request_quit()
        await until(pilot, lambda: isinstance(app.screen, LeaveDialog))
        await pilot.press(key)
        assert app._exit == (key == "b")
    assert process.poll() is None


async def test_the_way_back_to_a_run_commands_no_terminal(
    tmp_path: Path, stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(recorded.live(tmp_path).folder.path.rename(tmp_path / "x\x1b[2J\x9b31m"))
    stand_in(folder)
    app = FarenseApp(tmp_path, folder)
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        app.request_quit()
        await until(pilot, lambda: isinstance(app.screen, LeaveDialog))
        await pilot.press("b")
    told = capsys.readouterr().err
    assert "attach" in told
    assert not set(told) & {"\x1b", "\x9b"}


async def test_a_played_run_takes_its_clock_along_when_its_monitor_is_left(tmp_path: Path) -> None:
    folder = recorded.paused(tmp_path).folder
    simulation.write(folder.path, Simulation(scenario="ok", speed=60.0))
    app = FarenseApp(tmp_path, folder)
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        assert clock._played
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        assert not clock._played


def test_a_pipe_in_the_place_of_a_record_keeps_nobody_from_leaving(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "events.jsonl")
    assert not is_paused(RunFolder(tmp_path))


async def test_a_paused_run_is_not_said_to_go_on(tmp_path: Path, stand_in: StandIn) -> None:
    folder = recorded.paused(tmp_path).folder
    stand_in(folder)  # which says that it is training
    assert not is_paused(folder)
    with folder.events.open("ab") as file:
        file.write(encode(Phase(time=NOW, seq=9, name="paused")))
    app = FarenseApp(tmp_path, folder)
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        app.request_quit()
        await until(pilot, lambda: isinstance(app.screen, LeaveDialog))
        await until(pilot, lambda: "demo-1 is paused" in text_of(app.screen))
        assert "leave, it stays paused" in text_of(app.screen)
        await pilot.press("b")
        assert app._exit


async def test_a_run_is_stopped_before_leaving(tmp_path: Path, stand_in: StandIn) -> None:
    folder = recorded.live(tmp_path).folder
    process = stand_in(folder)
    app = FarenseApp(tmp_path, folder)
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        app.request_quit()
        await until(pilot, lambda: isinstance(app.screen, LeaveDialog))
        await pilot.press("s")
        await until(pilot, lambda: app._exit)
        assert process.wait(120) == 130


async def test_a_run_that_does_not_stop_is_killed_on_a_second_key(
    tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farense_tui.ui.monitor.leave.STOP_PATIENCE", 0.1)
    folder = recorded.live(tmp_path).folder
    process = stand_in(folder, "--deaf")
    app = FarenseApp(tmp_path, folder)
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        app.request_quit()
        await until(pilot, lambda: isinstance(app.screen, LeaveDialog))
        await pilot.press("x")
        assert process.poll() is None
        await pilot.press("s")
        note = app.screen.query_one(".note", Static)
        await until(pilot, lambda: "Not stopped yet" in str(note.render()))
        await pilot.press("x")
        await until(pilot, lambda: app._exit)
        assert process.wait(120) == -9


async def test_the_question_on_leaving_follows_the_run(tmp_path: Path, stand_in: StandIn) -> None:
    folder = recorded.live(tmp_path).folder
    process = stand_in(folder)
    app = FarenseApp(tmp_path, folder)
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        app.request_quit()
        await until(pilot, lambda: isinstance(app.screen, LeaveDialog))
        await until(pilot, lambda: "is being trained" in text_of(app.screen))
        process.terminate()
        await until(pilot, lambda: "has ended" in text_of(app.screen))
        assert "background" not in text_of(app.screen)
        await pilot.press("b", "s")
        assert isinstance(app.screen, LeaveDialog)  # neither is a question any more
        await pilot.press("q")
        assert app._exit


async def test_help_palette_themes_and_leaving(runs_dir: Path) -> None:
    app = FarenseApp(runs_dir)
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        await the_help_lists_the_bindings_there_are(app, pilot)
        await t_goes_through_the_themes(app, pilot)
        await the_palette_does_what_the_keys_do(app, pilot)
        await an_error_is_shown_as_it_is(app, pilot)
        await pilot.press("escape", "q")
        assert app._exit  # at once, as nothing runs


async def the_help_lists_the_bindings_there_are(app: FarenseApp, pilot: Pilot[None]) -> None:
    screen = app.screen
    await pilot.press("question_mark")
    await until(pilot, lambda: isinstance(app.screen, HelpScreen))
    text = "\n".join(str(each.render()) for each in app.screen.query("Static, KeyList"))
    for _, binding in screen._bindings:
        if binding.action in ("start", "edit", "data", "save", "smaller", "resume", "runs"):
            assert binding.description in text
    assert "Undo this change" in text
    assert "Next theme" in text
    assert "Focus Next" not in text
    await pilot.press("escape")
    assert app.screen is screen


async def t_goes_through_the_themes(app: FarenseApp, pilot: Pilot[None]) -> None:
    for name in ("light", "contrast", "dark"):
        await pilot.press("t")
        assert app.theme == f"farense-{name}"
        assert FarenseApp(app.runs_dir).theme == app.theme  # remembered


async def the_palette_does_what_the_keys_do(app: FarenseApp, pilot: Pilot[None]) -> None:
    screen = app.screen
    commands = {command.name for command in FarenseCommands(screen)._commands()}
    assert {"Start", "Runs", "Data", "Save", "Quit", "Next theme", "Theme: light"} <= commands
    await pilot.press("ctrl+p")
    await until(pilot, lambda: isinstance(app.screen, CommandPalette))
    await pilot.press(*"profile demo")
    found = app.screen.query_one(CommandList)
    await until(pilot, lambda: found.option_count == 1)  # what was found for less of it is gone
    await pilot.press("down", "enter")
    await until(pilot, lambda: screen.query_one(ProfileCards).chosen == "demo")


async def an_error_is_shown_as_it_is(app: FarenseApp, pilot: Pilot[None]) -> None:
    app.show_error(FarenseError("[b]title[/", "[/] detail", "[link=x] hint"))
    await pilot.pause()
    texts = [str(static.render()) for static in app.screen.query(Static)]
    assert texts[:3] == ["✗ [b]title[/", "[/] detail", "[link=x] hint"]


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_text_has_the_contrast_that_wcag_aa_asks_for(theme: object) -> None:
    from textual.theme import Theme

    assert isinstance(theme, Theme)
    colours = theme.to_color_system().generate()
    enough = 7 if theme is CONTRAST else 4.5
    grounds = [Color.parse(colours[name]) for name in ("background", "surface")]
    names = ("foreground", "primary", "secondary", "accent", "success", "warning", "error")
    for name in (*names, "text-muted", "text-disabled"):
        for ground in grounds:
            assert contrast(Color.parse(colours[name]), ground) >= enough, name
    panel = Color.parse(colours["panel"])
    for name in (*names, "text-muted"):
        assert contrast(Color.parse(colours[name]), panel) >= enough, name


def contrast(one: Color, other: Color) -> float:
    """Contrast ratio of WCAG 2."""

    def luminance(colour: Color) -> float:
        parts = [
            value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4
            for value in colour.normalized
        ]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_no_state_is_told_by_colour_alone() -> None:
    assert len({(look.sign, look.word) for look in STATUS.values()}) == len(STATUS)


def test_the_first_frame_waits_for_nothing_heavy() -> None:
    code = (
        "import sys, farense_tui.ui.app, farense_tui.ui.launch.screen;"
        "print(*{m.split('.')[0] for m in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"mlx", "mlx_lm", "transformers", "numpy", "huggingface_hub", "textual_plot", "httpx"}
    assert not heavy & set(done.stdout.split())


async def test_a_run_of_a_newer_version_is_not_opened(tmp_path: Path) -> None:
    folder = recorded.live(tmp_path).folder
    folder.config.write_text(folder.config.read_text().replace("format = 1", "format = 99"))
    app = Bare(tmp_path)
    async with app.run_test() as pilot:
        for attempt in (app.open_run, lambda run: app.open_comparison([run, run])):
            attempt(folder)
            await until(pilot, lambda: isinstance(app.screen, ErrorDialog))
            assert isinstance(app.screen, ErrorDialog)
            assert "format 99" in app.screen.error.detail
            await pilot.press("enter")
            assert not isinstance(app.screen, MonitorScreen)


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), KeyError("x")])
async def test_what_nobody_has_foreseen_in_a_handler_is_told_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_app: FarenseApp) -> None:
        raise error

    monkeypatch.setattr(FarenseApp, "SPARED", (Exception,))
    monkeypatch.setattr(FarenseApp, "action_next_theme", fail)
    app = Bare(tmp_path)
    async with app.run_test() as pilot:
        for _time in range(2):
            await pilot.press("t")
            await until(pilot, lambda: isinstance(app.screen, ErrorDialog))
            await pilot.press("enter")
            await until(pilot, lambda: not isinstance(app.screen, ErrorDialog))


async def test_a_fault_in_a_look_at_a_run_is_told_once_and_the_next_look_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that follows the run ended by it, and the monitor stood still for good."""
    looks = []

    def fail(_facts: object) -> NoReturn:
        looks.append(1)
        raise KeyError("x")

    monkeypatch.setattr(FarenseApp, "SPARED", (Exception,))
    monkeypatch.setattr("farense_tui.engine.health.observe.examine", fail)
    folder = recorded.live(tmp_path).folder
    app = FarenseApp(tmp_path, folder)
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, ErrorDialog))
        await pilot.press("enter")
        assert isinstance(app.screen, MonitorScreen)
        monitor = app.screen
        await until(pilot, lambda: len(looks) > 2 and monitor.snapshot is not None)
        assert app.screen is monitor
        with folder.events.open("ab") as file:
            file.write(encode(Phase(time=NOW, seq=10**6, name="saving")))
        await until(
            pilot, lambda: monitor.snapshot is not None and monitor.snapshot.state.phase == "saving"
        )


class Late(Static):
    """Looks for a part of itself that is gone: when it is taken down, or on a message before."""

    class News(Message):
        pass

    def on_unmount(self) -> None:
        self.query_one("#gone")

    def on_late_news(self) -> None:
        self.query_one("#gone")


async def test_news_that_come_while_the_app_ends_are_nobodys_error(tmp_path: Path) -> None:
    """A look at data came to its page as that was taken down."""
    app = Bare(tmp_path)
    async with app.run_test():
        await app.screen.mount(Late())

    async def before() -> None:
        app = Bare(tmp_path)
        async with app.run_test() as pilot:
            late = Late()
            await app.screen.mount(late)
            late.post_message(Late.News())
            await pilot.pause()

    with pytest.raises(NoMatches):
        await before()


async def test_what_goes_wrong_again_and_again_ends_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_app: FarenseApp) -> None:
        raise PermissionError("x")

    monkeypatch.setattr("farense_tui.ui.app._OFTEN", 1e9)
    monkeypatch.setattr(FarenseApp, "on_refused", fail)
    app = Bare(tmp_path)

    async def run() -> None:
        async with app.run_test() as pilot:
            for _time in range(30):
                app.show_error(FarenseError("x"))
                await pilot.pause()

    with pytest.raises(PermissionError):
        await run()
