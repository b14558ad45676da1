"""The list of runs, on recorded ones and on processes that stand in for workers."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.messages.events import encode
from farense_worker.protocol.run_folder import RunFolder
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input, Static

from farense_tui import compat
from farense_tui.engine.record.state import fold
from farense_tui.engine.runs import clock, folders, played, supervisor
from farense_tui.engine.runs.describe import RunSummary
from farense_tui.engine.runs.live_list import Listing
from farense_tui.ui.app import FarenseApp
from farense_tui.ui.charts.chart import Chart
from farense_tui.ui.common.dialogs import AskDialog, ErrorDialog, NameDialog, NoteDialog
from farense_tui.ui.common.key_footer import KeyFooter
from farense_tui.ui.monitor.outcome import came_to
from farense_tui.ui.monitor.post_mortem import PostMortemScreen
from farense_tui.ui.monitor.screen import MonitorScreen
from farense_tui.ui.runs.preview import RunPreview
from farense_tui.ui.runs.run_table import RunTable
from farense_tui.ui.runs.screen import RunsScreen
from tests.events import started, step, validation
from tests.real_runs import state_of
from tests.ui import recorded
from tests.ui.conftest import StandIn, text_of
from tests.ui.waiting import stop, until


@pytest.fixture
def three(tmp_path: Path, runs_dir: Path) -> Path:
    """A completed run, a failed one and one that was killed."""
    for name, make in (
        ("done", recorded.completed),
        ("broken", recorded.failed),
        ("gone", recorded.live),
    ):
        make(tmp_path / name).folder.path.rename(runs_dir / name)
    return runs_dir


class Bare(FarenseApp):
    """Has an empty main screen below the list: the launch screen takes long to set up."""

    def open_launch(self) -> None:
        self._show_main(Screen())


@asynccontextmanager
async def listed(runs_dir: Path) -> AsyncIterator[tuple[Pilot[None], RunsScreen]]:
    app = Bare(runs_dir)
    async with app.run_test(size=(100, 30)) as pilot:
        app.open_runs()
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        count = len(list(runs_dir.iterdir()))
        await until(pilot, lambda: screen.query_one(RunTable).row_count == count)
        yield pilot, screen


def rows(screen: RunsScreen) -> dict[str, list[str]]:
    table = screen.query_one(RunTable)
    cells = [[str(cell) for cell in table.get_row_at(n)] for n in range(table.row_count)]
    return {row[0]: row[1:] for row in cells}


async def put_cursor(pilot: Pilot[None], screen: RunsScreen, name: str) -> None:
    screen.query_one(RunTable).move_cursor(row=list(rows(screen)).index(name))
    await pilot.pause()


async def test_every_run_is_told_with_its_state(three: Path) -> None:
    recorded.live(three, name="odd").folder.config.write_text("nonsense")
    newer = recorded.live(three, name="newer").folder.config
    newer.write_text(newer.read_text().replace("format = 1", "format = 99"))
    async with listed(three) as (pilot, screen):
        found = rows(screen)
        assert found["done"][:2] == ["✓ completed", "600/600"]
        assert found["broken"][:2] == ["✗ failed", "230/600"]
        assert found["gone"][0] in ("✗ killed", "? lost")
        assert found["done"][5] == "44 min ago"
        assert found["done"][2] == "█▃▁▁▁▁"
        await put_cursor(pilot, screen, "odd")
        assert "is not TOML" in str(screen.query_one("#run-detail", Static).render())
        await put_cursor(pilot, screen, "newer")
        told = str(screen.query_one("#run-detail", Static).render())
        assert told.splitlines()[1].startswith("It was written by a newer farense-tui (")
        assert "goes on" not in told


async def test_a_living_run_is_followed(three: Path, stand_in: StandIn) -> None:
    folder = RunFolder(three / "gone")
    process = stand_in(folder)
    async with listed(three) as (pilot, screen):
        assert rows(screen)["gone"][0] == "● running"
        await put_cursor(pilot, screen, "gone")
        await stop(pilot)
        process.wait(120)
        await until(pilot, lambda: rows(screen)["gone"][0] == "■ stopped")
        assert screen.query_one(RunTable).current == str(folder.path)


async def test_a_look_that_goes_wrong_is_not_the_last(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = Listing.summaries

    def fails(_: Listing) -> Iterator[RunSummary]:
        monkeypatch.setattr(Listing, "summaries", looks)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async with listed(three) as (pilot, screen):
        monkeypatch.setattr(Listing, "summaries", fails)
        await until(pilot, lambda: isinstance(pilot.app.screen, ErrorDialog))
        await pilot.press("escape")
        shutil.rmtree(three / "gone")
        await until(pilot, lambda: "gone" not in rows(screen))


async def test_the_list_is_searched_and_ordered(three: Path) -> None:
    async with listed(three) as (pilot, screen):
        await pilot.press("slash", *"compl")
        await until(pilot, lambda: list(rows(screen)) == ["done"])
        assert "1 of 3" in text_of(screen)
        await pilot.press("enter", "k", "escape")
        await until(pilot, lambda: len(rows(screen)) == 3)
        await pilot.press("o", "o", "o")
        await until(pilot, lambda: list(rows(screen)) == ["broken", "done", "gone"])
        assert "by name" in text_of(screen)


async def test_only_new_lines_are_read_again(three: Path, stand_in: StandIn) -> None:
    stand_in(RunFolder(three / "gone"))
    async with listed(three) as (pilot, screen):
        events = three / "gone" / "events.jsonl"
        text = events.read_bytes()
        # what was read before is spoilt: it must not be needed a second time
        events.write_bytes(b"x" * len(text))
        with events.open("ab") as file:
            file.write(encode(step(231, loss=0.125, time=recorded.START, seq=9999)))
        await until(pilot, lambda: rows(screen)["gone"][1] == "231/600")
        assert rows(screen)["gone"][3] == "0.1250"


async def test_enter_opens_the_monitor_and_escape_leads_back(three: Path) -> None:
    async with listed(three) as (pilot, screen):
        await put_cursor(pilot, screen, "broken")
        detail = str(screen.query_one("#run-detail", Static).render())
        assert "memory ran out" in detail
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, MonitorScreen))
        await pilot.press("escape")
        await until(pilot, lambda: type(pilot.app.screen) is Screen)
        assert len(pilot.app.screen_stack) == 2


async def test_a_completed_or_living_run_is_not_resumed_and_a_living_one_not_deleted(
    three: Path, stand_in: StandIn
) -> None:
    stand_in(RunFolder(three / "gone"))
    async with listed(three) as (pilot, screen):
        app = pilot.app
        assert isinstance(app, FarenseApp)
        for name, title in (("done", "run done is complete"), ("gone", "already being trained")):
            await put_cursor(pilot, screen, name)
            assert screen.check_action("resume", ()) is None
            app.resume_run(RunFolder(three / name))
            await until(pilot, lambda: isinstance(app.screen, ErrorDialog))
            dialog = app.screen
            assert isinstance(dialog, ErrorDialog)
            assert title in dialog.error.title
            await pilot.press("escape")
        assert not app.started
        assert screen.check_action("delete", ()) is None
        await pilot.press("d")
        assert app.screen is screen


async def test_a_run_is_deleted_only_if_that_is_meant(three: Path) -> None:
    async with listed(three) as (pilot, screen):
        await put_cursor(pilot, screen, "broken")
        for answer, left in (("enter", 3), ("escape", 3), ("y", 2)):
            await pilot.press("d")
            await until(pilot, lambda: isinstance(pilot.app.screen, AskDialog))
            await pilot.press(answer)
            await until(pilot, lambda: pilot.app.screen is screen)
            await until(pilot, lambda n=left: screen.query_one(RunTable).row_count == n)  # type: ignore[misc]
            assert (three / "broken").exists() == (left == 3)


async def test_an_empty_folder_says_what_to_do(runs_dir: Path) -> None:
    async with listed(runs_dir) as (pilot, screen):
        detail = screen.query_one("#run-detail", Static)
        await until(pilot, lambda: "No runs yet" in str(detail.render()))
        await pilot.press("enter", "r", "s", "d")
        assert pilot.app.screen is screen


# ---- name, note, what happened ------------------------------------------------------------------


def shown(page: Screen[Any]) -> str:
    """The text of a post-mortem."""
    return "\n".join(str(static.render()) for static in page.query("#page Static").results(Static))


async def typed(pilot: Pilot[None], dialog: type[Screen[Any]], key: str, text: str) -> None:
    """Open a dialog, type, and press enter."""
    before = pilot.app.screen
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, dialog))
    pilot.app.screen.query_one(Input).value = text
    await pilot.press("enter")
    await until(pilot, lambda: pilot.app.screen is before)


async def test_a_run_is_renamed_with_its_folder(three: Path) -> None:
    async with listed(three) as (pilot, screen):
        await put_cursor(pilot, screen, "broken")
        await typed(pilot, NameDialog, "m", "mended.1")
        await until(pilot, lambda: set(rows(screen)) == {"done", "mended.1", "gone"})
    assert not (three / "broken").exists()
    assert RunFolder(three / "mended.1").read_config().run.name == "mended.1"


async def test_a_name_that_is_taken_or_cannot_be_one_is_refused(three: Path) -> None:
    async with listed(three) as (pilot, screen):
        await put_cursor(pilot, screen, "broken")
        await pilot.press("m")
        await until(pilot, lambda: isinstance(pilot.app.screen, NameDialog))
        pilot.app.screen.query_one(Input).value = "../up"
        await pilot.press("enter")
        assert isinstance(pilot.app.screen, NameDialog)
        pilot.app.screen.query_one(Input).value = "done"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ErrorDialog))
    assert (three / "broken").is_dir()


async def test_a_living_run_keeps_its_name(three: Path, stand_in: StandIn) -> None:
    stand_in(RunFolder(three / "gone"))
    with pytest.raises(FarenseError, match="already being trained"):
        folders.rename(RunFolder(three / "gone"), "other")
    async with listed(three) as (pilot, screen):
        await put_cursor(pilot, screen, "gone")
        assert screen.check_action("rename", ()) is None


async def test_a_note_is_kept_shown_and_taken_away(three: Path) -> None:
    async with listed(three) as (pilot, screen):
        await put_cursor(pilot, screen, "done")
        detail = screen.query_one("#run-detail", Static)
        await typed(pilot, NoteDialog, "n", "the \x1b[31mbest [b]so far")
        await until(pilot, lambda: "the �[31mbest [b]so far" in str(detail.render()))
        assert folders.note(RunFolder(three / "done")) == "the �[31mbest [b]so far"
        await typed(pilot, NoteDialog, "n", "")
        await until(pilot, lambda: "best" not in str(detail.render()))
        assert not RunFolder(three / "done").remark.exists()


async def test_what_happened_is_told_on_one_page(three: Path) -> None:
    (three / "broken" / "worker.log").write_text("one\n\x1b[2Jlast [red]words\n")
    async with listed(three) as (pilot, screen):
        await put_cursor(pilot, screen, "broken")
        assert "p tells what happened" in str(screen.query_one("#run-detail", Static).render())
        await pilot.press("p")
        await until(pilot, lambda: isinstance(pilot.app.screen, PostMortemScreen))
        page = pilot.app.screen
        await until(pilot, lambda: len(page.query(".part")) > 4)
        text = shown(page)
        for what in (
            "✗ failed", "the machine's memory ran out", "47 min ago", "step 230 of 600",
            "checkpoint is of step 200: 30 steps again", "MLX asked for 4.2 GiB",
            "last events", "�[2Jlast [red]words",
        ):  # fmt: skip
            assert what in text
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)


@pytest.mark.parametrize(("key", "checkpoints"), [("r", False), ("h", True)])
async def test_a_dead_run_is_brought_back_from_its_page(
    runs_dir: Path, key: str, checkpoints: bool
) -> None:
    run = played.prepare_scenario("oom", 3000.0, runs_dir)
    supervisor.launch(run).wait()
    try:
        async with listed(runs_dir) as (pilot, _):
            await pilot.press("p")
            await until(pilot, lambda: isinstance(pilot.app.screen, PostMortemScreen))
            page = pilot.app.screen
            assert isinstance(page, PostMortemScreen)
            await until(pilot, lambda: page.remedy)
            await pilot.press(key)
            await until(pilot, lambda: isinstance(pilot.app.screen, MonitorScreen))
            await until(pilot, lambda: len(state_of(run).segments) == 2)
            assert run.read_config().train.grad_checkpoint is checkpoints
    finally:
        clock.play(None)
        if supervisor.kill(run):
            supervisor.wait_until_gone(run, 120)


async def test_a_run_lost_with_the_machine_is_told_so(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psutil.boot_time", lambda: recorded.START + 7200)
    async with listed(three) as (pilot, screen):
        await put_cursor(pilot, screen, "gone")
        assert rows(screen)["gone"][0] == "? lost"
        await pilot.press("p")
        await until(pilot, lambda: isinstance(pilot.app.screen, PostMortemScreen))
        page = pilot.app.screen
        await until(pilot, lambda: len(page.query(".part")) > 4)
        text = shown(page)
        assert "the machine went down while it trained" in text
        assert "the machine was started again at" in text


async def test_a_crash_is_told_from_a_kill(runs_dir: Path) -> None:
    for scenario, title in (
        ("crash", "the worker crashed: Aborted"),
        ("oom-kill", "the worker was killed: it ended without a last word"),
    ):
        run = played.prepare_scenario(scenario, 3000.0, runs_dir)
        supervisor.launch(run).wait()
        app = Bare(runs_dir)
        async with app.run_test(size=(100, 30)) as pilot:
            page = PostMortemScreen(run)
            app.push_screen(page)
            await until(pilot, lambda page=page: len(page.query(".part")) > 4)  # type: ignore[misc]
            assert title in shown(page)


# ---- the preview ------------------------------------------------------------------------------


def test_a_living_run_is_not_said_to_have_stopped() -> None:
    state = fold([started(), validation(0, 2.0), step(1), validation(1, 1.0)])
    told = "running at step 1: the best is step 1's so far; validation 2.0000 → 1.0000"
    assert came_to(state, "running") == told


async def test_the_run_under_the_cursor_is_shown_below_and_beside_the_list(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded.comparable(runs_dir)
    drawn: list[bool] = []
    monkeypatch.setattr(Chart, "show", lambda self, data, other: drawn.append(other))
    async with listed(runs_dir) as (pilot, screen):
        await put_cursor(pilot, screen, "demo-1")
        preview = screen.query_one(RunPreview)
        await until(pilot, lambda: "unlike a-higher-rate" in text_of(screen))
        assert drawn[-1]  # another run's curve does not wait
        assert "train.learning_rate 0.0004 → 0.0002" in text_of(screen)
        assert preview.region.y >= screen.query_one(RunTable).region.bottom
        seen = len(drawn)
        for _ in range(3):  # a look that finds nothing new draws nothing
            screen._show_runs()
            await pilot.pause()
        assert len(drawn) == seen
        await pilot.resize_terminal(160, 40)
        table = screen.query_one(RunTable)
        await until(pilot, lambda: preview.region.x >= table.region.right)
        await pilot.resize_terminal(80, 24)  # three runs leave room for it
        await until(pilot, lambda: preview.region.y >= table.region.bottom)
        await until(pilot, lambda: not table.show_horizontal_scrollbar)  # it was wider before
        await pilot.resize_terminal(80, 20)
        await until(pilot, lambda: not preview.display)
        await pilot.press("slash", *"nothing such", "enter")
        assert "No run has these words" in text_of(screen)


async def test_a_narrow_footer_keeps_what_can_be_done(runs_dir: Path) -> None:
    recorded.completed(runs_dir)
    async with listed(runs_dir) as (pilot, screen):
        await pilot.resize_terminal(80, 24)
        footer = screen.query_one(KeyFooter)

        def shown() -> list[str]:
            return [key.description for key in compat.footer_keys(footer.children)]

        await until(pilot, lambda: "Ask" in shown() and "Delete" not in shown())
        assert shown() == ["Open", "Serve", "Ask", "Mark", "Compare", "Back", "Help", "Quit"]
