"""Any terminal: plain ASCII, no colour, every size, a theme that is remembered."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from textual.containers import Container
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import Input

from farense_tui.engine.runs import clock
from farense_tui.engine.status_words import STATUS
from farense_tui.ui import ascii, preferences
from farense_tui.ui.app import FarenseApp
from farense_tui.ui.charts.chart import Chart
from farense_tui.ui.commands import FarenseCommands
from farense_tui.ui.keys import own_actions
from farense_tui.ui.launch.plan.panel import PlanPanel
from farense_tui.ui.launch.screen import LaunchScreen
from farense_tui.ui.monitor import memory_gauge, run_log
from farense_tui.ui.monitor.chart_screen import ChartScreen
from farense_tui.ui.monitor.screen import MonitorScreen
from farense_tui.ui.runs.compare import CompareScreen
from farense_tui.ui.runs.run_table import RunTable
from farense_tui.ui.runs.screen import RunsScreen
from tests.ui import recorded
from tests.ui.monitor_host import held
from tests.ui.waiting import until

SIZES = [(60, 16), (80, 24), (100, 30), (120, 36), (200, 50), (300, 80)]
SCREENS = ["launch", "monitor", "ended", "runs", "compare"]


@contextlib.asynccontextmanager
async def shown(
    name: str, runs_dir: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> AsyncIterator[tuple[FarenseApp, Pilot[None]]]:
    """One of SCREENS, read and drawn."""
    run = (recorded.failed if name == "ended" else recorded.live)(runs_dir)
    folders = recorded.comparable(runs_dir / "more") if name == "compare" else []
    monkeypatch.setattr(clock, "now", lambda: run.time + 0.3)
    app = FarenseApp(runs_dir, None if name == "launch" else run.folder)
    with held(run.folder) if name == "monitor" else contextlib.nullcontext():
        async with app.run_test(size=size) as pilot:
            if name == "runs":
                app.open_runs()
            elif name == "compare":
                app.open_comparison(folders)
            await until(pilot, lambda: ready(app, name))
            yield app, pilot


def ready(app: FarenseApp, name: str) -> bool:
    if not app.screen.is_mounted or not app.screen.query(Widget):
        return False
    match app.screen:
        case LaunchScreen() as screen:
            return name == "launch" and screen.query_one(PlanPanel).complete
        case MonitorScreen() as screen:
            known = screen.snapshot is not None and screen.snapshot.read == 1
            return name in ("monitor", "ended") and known and not screen.chart._throttle.waiting
        case RunsScreen() as screen:
            return screen.query_one(RunTable).row_count > 0
        case CompareScreen() as screen:
            return bool(screen.runs) and all(run.read == 1 for run in screen.runs)
    return False


def segments(app: FarenseApp) -> list[Segment]:
    return [s for line in app.screen._compositor.render_strips(app.size) for s in line]


@pytest.mark.parametrize("name", SCREENS)
async def test_in_ascii_there_is_nothing_else(
    name: str, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARENSE_ASCII", "1")
    async with shown(name, runs_dir, monkeypatch, (120, 36)) as (app, pilot):
        for key in ("", "question_mark"):
            await pilot.press(*filter(None, [key]))
            text = "".join(segment.text for segment in segments(app))
            assert text.isascii()
            assert len(text) == 120 * 36
    monkeypatch.setenv("FARENSE_ASCII", "0")
    async with shown(name, runs_dir / "again", monkeypatch, (120, 36)) as (app, _):
        drawn = {char for segment in segments(app) for char in segment.text}
        assert not [char for char in drawn - {"?"} if "?" in ascii.plain(char)]


@pytest.mark.parametrize("name", SCREENS)
async def test_without_colour_there_are_greys(
    name: str, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with shown(name, runs_dir, monkeypatch, (120, 36)) as (app, _):
        assert app.theme == "farense-contrast"
        for _, style, _ in segments(app):
            for colour in (style.color, style.bgcolor) if style else ():
                if colour and colour.triplet:
                    assert len(set(colour.triplet)) == 1


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", SCREENS)
async def test_nothing_overlaps_and_nothing_is_off_the_screen(
    name: str, size: tuple[int, int], runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shown(name, runs_dir, monkeypatch, size) as (app, _):
        leaves = [w for w in app.screen.query(Widget) if w.display and not w.children]
        seen = [w for w in leaves if w.region and in_sight(w)]
        for one, other in combinations(seen, 2):
            assert not visible(one).overlaps(visible(other)), (one, other)
        for widget in seen:
            assert app.screen.region.contains_region(visible(widget)), widget


def in_sight(widget: Widget) -> bool:
    return all(node.display for node in widget.ancestors_with_self if isinstance(node, Widget))


def visible(widget: Widget):  # type: ignore[no-untyped-def]
    """The part of a widget that no container cuts off."""
    region = widget.region
    for node in widget.ancestors:
        if isinstance(node, Container | Widget):
            region = region.intersection(node.region)
    return region


@pytest.mark.parametrize("name", SCREENS)
async def test_help_and_palette_tell_of_every_key(
    name: str, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shown(name, runs_dir, monkeypatch, (120, 60)) as (app, _):
        screen = app.screen
        bound = {
            active.binding.description
            for active in screen.active_bindings.values()
            if active.node in (screen, app)
            and active.enabled
            and active.binding.action in own_actions(type(active.node))
            and not active.binding.action.startswith(("choose(", "simulate_key("))
        }
        offered = {command.name for command in FarenseCommands(screen)._commands()}
        assert bound - {""} <= offered
        if isinstance(screen, ChartScreen):
            hint = screen.query_one(Chart)._hint
            keys = {key.strip()[0] for key in hint.split("   ")}
            assert keys <= {binding.key for _, binding in screen._bindings}


@given(st.text())
def test_plain_text_is_as_wide_as_it_was(text: str) -> None:
    plain = ascii.plain(text)
    assert plain.isascii()
    assert len(plain) == sum(cell_len(char) if not char.isascii() else 1 for char in text)


def test_what_is_told_apart_by_a_sign_is_so_in_ascii() -> None:
    for signs in (
        [look for look, _ in memory_gauge._LOOKS.values()],
        [look[0] for look in (memory_gauge._PEAK, memory_gauge._LIMIT, memory_gauge._STOP)],
        list(run_log._SIGNS.values()),
    ):
        assert len({ascii.plain(sign) for sign in signs}) == len(signs)
    assert len({(ascii.plain(look.sign), look.word) for look in STATUS.values()}) == len(STATUS)


@pytest.mark.parametrize(
    ("asked", "term", "encoding", "wanted"),
    [
        ("", "xterm-256color", "utf-8", False),
        ("", "tmux-256color", "UTF-8", False),
        ("1", "xterm", "utf-8", True),
        ("0", "linux", "iso8859-1", False),
        ("", "linux", "utf-8", True),
        ("", "xterm", "iso8859-1", True),
        ("", "xterm", "no such thing", True),
    ],
)
def test_when_ascii_is_wanted(
    monkeypatch: pytest.MonkeyPatch, asked: str, term: str, encoding: str, wanted: bool
) -> None:
    monkeypatch.setenv("FARENSE_ASCII", asked)
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr("locale.getencoding", lambda: encoding)
    assert ascii.wanted() == wanted


def test_a_theme_is_remembered_if_it_can_be(tmp_path: Path) -> None:
    assert preferences.theme() == ""
    preferences.keep_theme("farense-light")
    assert FarenseApp(tmp_path).theme == "farense-light"
    for nonsense in ("theme = 3", "theme = 'gone'", "[", "\x00"):
        preferences.path().write_text(nonsense)
        assert FarenseApp(tmp_path).theme == "farense-dark"
    preferences.path().write_bytes(b"\xff")
    assert FarenseApp(tmp_path).theme == "farense-dark"
    preferences.path().unlink()
    preferences.path().mkdir()
    preferences.keep_theme("farense-light")
    assert preferences.theme() == ""
    preferences.path().rmdir()
    os.mkfifo(preferences.path())
    preferences.keep_theme("farense-light")
    assert preferences.theme() == ""


@pytest.mark.parametrize("what", ["deep", "long", "a loop", "a device", "UTF-16", "a long number"])
def test_preferences_that_cannot_be_read_are_told_and_passed_over(what: str) -> None:
    path = preferences.path()
    path.parent.mkdir(parents=True)
    damage: dict[str, Callable[[], object]] = {
        "deep": lambda: path.write_text("x = " + "[" * 100_000),
        "long": lambda: path.write_bytes(bytes(2 << 20)),
        "a loop": lambda: path.symlink_to(path),
        "a device": lambda: path.symlink_to("/dev/zero"),
        "UTF-16": lambda: path.write_bytes("theme = 'x'".encode("utf-16")),
        "a long number": lambda: path.write_text(f"x = {'9' * 9999}"),
    }
    damage[what]()
    (told,) = preferences.faults()
    assert told.startswith("nothing of it is heeded")
    assert preferences.wanted("bell")
    preferences.keep_welcomed()


def test_preferences_may_be_a_link_and_of_a_windows_editor(tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles"
    kept.write_bytes(b"\xef\xbb\xbfmotion = false\r\n")
    preferences.path().parent.mkdir(parents=True)
    preferences.path().symlink_to(kept)
    assert preferences.faults() == []
    preferences.keep_welcomed()
    assert preferences.path().is_symlink()
    assert "motion = false\nwelcomed = true\n" in kept.read_text()


@pytest.mark.parametrize("motion", [True, False])
async def test_nothing_moves_where_that_is_not_wanted(runs_dir: Path, motion: bool) -> None:
    preferences.path().parent.mkdir(parents=True)
    preferences.path().write_text("" if motion else "motion = false\n")
    app = FarenseApp(runs_dir)
    async with app.run_test() as pilot:
        field = Input()
        field.cursor_blink = True  # as it is outside these tests
        await app.screen.mount(field)
        field.focus()
        await pilot.pause()
        assert (app.animation_level != "none") is motion
        assert field.cursor_blink is motion
