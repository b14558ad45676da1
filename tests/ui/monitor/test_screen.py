"""The monitor on recorded runs: what it shows and what its keys do."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from farense_worker.protocol.errors import refused
from farense_worker.protocol.run_folder import RunFolder

from farense_tui import compat
from farense_tui.engine.runs import clock, supervisor
from farense_tui.engine.runs.supervisor import Control, Worker
from farense_tui.engine.runs.watch import Watch
from farense_tui.ui.charts.chart import Chart
from farense_tui.ui.charts.chart_data import SUBJECTS
from farense_tui.ui.common.key_footer import KeyFooter
from farense_tui.ui.monitor import post_mortem
from farense_tui.ui.monitor import stop as stop_dialog
from farense_tui.ui.monitor.controls import Asked
from farense_tui.ui.monitor.health_card import HealthCard
from farense_tui.ui.monitor.outcome import outcome
from farense_tui.ui.monitor.outcome_panel import OutcomePanel
from farense_tui.ui.monitor.run_header import RunHeader
from farense_tui.ui.monitor.run_log import RunLog
from farense_tui.ui.monitor.stop import StopDialog
from tests import out_of_reach
from tests.ui import recorded
from tests.ui.conftest import NOW, text_of
from tests.ui.monitor_host import Host, held, opened
from tests.ui.waiting import stop, until

SIZES = [(60, 16), (80, 24), (100, 30), (120, 36), (160, 20), (200, 50), (300, 80)]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was asked of the worker; nothing is really sent."""
    asked: list[object] = []

    def send(folder: RunFolder, control: Control, patience: float = 5.0) -> bool:
        asked.append(control)
        return True

    def kill(folder: RunFolder) -> bool:
        asked.append("kill")
        return True

    monkeypatch.setattr(supervisor, "send", send)
    monkeypatch.setattr(supervisor, "kill", kill)
    return asked


def why(pilot_app: Host) -> str:
    run = pilot_app.monitor.query_one(RunHeader).run
    return run.why if run else ""


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_it_shows_a_run_at_every_size(
    tmp_path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recorded.live(tmp_path)
    monkeypatch.setattr(clock, "now", lambda: run.time + 0.3)
    with held(run.folder):
        async with opened(run.folder, size=size) as (_, monitor):
            text = text_of(monitor)
            assert monitor.query_one(Chart).size.height >= 5
    for what in ("demo-1", "230 of 600", "2.30 of 6", "loss", "◆", "memory", "Pause"):
        assert what in text


async def test_in_forty_cells_the_head_keeps_its_lines(tmp_path: Path) -> None:
    run = recorded.live(tmp_path)
    with held(run.folder):
        async with opened(run.folder, size=(40, 12)) as (_, monitor):
            _state, way, figures, *_rest = text_of(monitor).splitlines()
    assert "230 of 600" in way
    assert way.rstrip().endswith("38%")
    assert "train" in figures


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 36), (120, 50), (200, 50)], ids=str)
@pytest.mark.parametrize("make", [recorded.nan, recorded.overfitted])
async def test_the_chart_has_two_fifths_of_the_height(
    tmp_path: Path, size: tuple[int, int], make: Callable[[Path], recorded.Recording]
) -> None:
    run = make(tmp_path)
    with held(run.folder) if make is recorded.nan else contextlib.nullcontext():
        async with opened(run.folder, size=size) as (pilot, monitor):
            await until(pilot, lambda: monitor.has_class("-carded"))
            await pilot.pause()
            assert monitor.query_one(Chart).outer_size.height >= int(0.4 * size[1])
            log = monitor.query_one(RunLog)
            assert log.size.height >= 2
            assert log.region.bottom < size[1]


async def test_it_follows_a_record_that_grows(tmp_path: Path) -> None:
    run = recorded.live(tmp_path)
    with held(run.folder):
        async with opened(run.folder) as (pilot, monitor):
            run.one_step()
            await until(pilot, lambda: "231 of 600" in text_of(monitor))


async def test_nothing_but_the_clocks_changes_without_events(tmp_path: Path) -> None:
    run = recorded.live(tmp_path)
    with held(run.folder):
        async with opened(run.folder) as (pilot, monitor):
            chart = monitor.query_one(Chart)
            drawn: list[None] = []
            chart._throttle._draw = lambda: drawn.append(None)
            before = monitor.snapshot
            await until(pilot, lambda: monitor.snapshot is not before)
            assert not drawn


async def test_a_step_paints_no_more_than_what_it_changes(tmp_path: Path) -> None:
    run = recorded.live(tmp_path)
    with held(run.folder):
        async with opened(run.folder) as (pilot, monitor):
            await pilot.pause()
            compositor = monitor._compositor
            compositor.render_full_update = None  # type: ignore[method-assign, assignment]
            laid_out: list[None] = []
            monitor.screen_layout_refresh_signal.subscribe(monitor, lambda _: laid_out.append(None))
            run.one_step()
            await until(pilot, lambda: "231 of 600" in text_of(monitor))
            assert not laid_out


async def test_space_pauses_and_continues(tmp_path: Path, sent: list[object]) -> None:
    run = recorded.live(tmp_path)
    with held(run.folder):
        async with opened(run.folder) as (pilot, monitor):
            await pilot.press("space")
            await until(pilot, lambda: why(pilot.app) == "pausing after this step")  # type: ignore[arg-type]
            await until(pilot, lambda: sent == [Control.PAUSE])
            run.phase("paused")
            await until(pilot, lambda: monitor.asked is None)
            await until(pilot, lambda: "paused" in text_of(monitor))
            await pilot.press("space")
            await until(pilot, lambda: sent == [Control.PAUSE, Control.CONTINUE])


async def test_c_saves(tmp_path: Path, sent: list[object]) -> None:
    run = recorded.live(tmp_path)
    with held(run.folder):
        async with opened(run.folder) as (pilot, monitor):
            await pilot.press("c")
            await until(pilot, lambda: sent == [Control.CHECKPOINT])
            run.checkpoint()
            await until(pilot, lambda: monitor.asked is None)


async def test_stop_asks_and_a_key_held_down_stops_nothing(
    tmp_path: Path, sent: list[object]
) -> None:
    run = recorded.live(tmp_path)
    with held(run.folder):
        async with opened(run.folder) as (pilot, _):
            await pilot.press("k", "s")
            await until(pilot, lambda: isinstance(pilot.app.screen, StopDialog))
            assert "It finishes step 231, saves and ends." in text_of(pilot.app.screen)
            await pilot.press(*"sss")
            await pilot.press("enter")  # stays
            assert sent == []
            await stop(pilot)
            await until(pilot, lambda: sent == [Control.STOP])
            await until(pilot, lambda: "finishing the step" in why(pilot.app))  # type: ignore[arg-type]
            await pilot.press(*"ss")
            assert sent == [Control.STOP]


async def test_only_what_is_late_can_be_killed(
    tmp_path: Path, sent: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recorded.live(tmp_path)
    with held(run.folder):
        async with opened(run.folder) as (pilot, monitor):
            monitor.asked = Asked("stop", NOW)
            monkeypatch.setattr(clock, "now", lambda: NOW + 21)
            await pilot.press("s")
            await until(pilot, lambda: isinstance(pilot.app.screen, StopDialog))
            text = text_of(pilot.app.screen)
            assert "has not stopped for 21 s" in text
            assert "it loses 30 steps" in text
            await pilot.press("y")
            await until(pilot, lambda: sent == ["kill"])


async def test_the_question_goes_with_the_run(tmp_path: Path) -> None:
    run = recorded.live(tmp_path)
    lock = run.folder.acquire()
    async with opened(run.folder) as (pilot, monitor):
        await pilot.press("s")
        await until(pilot, lambda: isinstance(pilot.app.screen, StopDialog))
        os.close(lock)
        await until(pilot, lambda: pilot.app.screen is monitor)


async def test_a_deaf_worker_is_killed_and_its_end_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recorded.live(tmp_path)
    lock = run.folder.acquire()
    deaf = (
        "import os,signal,sys,time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "os.pwrite(int(sys.argv[1]), str(os.getpid()).encode(), 0);"
        "print('deaf', file=sys.stderr, flush=True); time.sleep(600)  # farense_worker"
    )
    with run.folder.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", deaf, str(lock)],
            pass_fds=(lock,),
            stderr=log,
            start_new_session=True,
        )
    os.close(lock)
    async with opened(run.folder, Worker(run.folder, process), (100, 30)) as (pilot, monitor):
        await until(pilot, lambda: run.folder.log.read_text() == "deaf\n")
        await stop(pilot)
        await until(pilot, lambda: monitor.asked is not None)
        monkeypatch.setattr(clock, "now", lambda: NOW + 21)
        await stop(pilot)
        await until(pilot, lambda: not monitor.alive)
        await until(pilot, lambda: "killed by SIGKILL" in text_of(monitor))
        assert "r resumes from step 200" in text_of(monitor)
    assert process.poll() == -9


async def test_r_resumes_a_run_that_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recorded.failed(tmp_path)
    locks: list[int] = []

    def launch(folder: RunFolder) -> None:
        locks.append(folder.acquire())

    monkeypatch.setattr(supervisor, "launch", launch)
    async with opened(run.folder) as (pilot, monitor):
        assert "the machine's memory ran out" in text_of(monitor)
        assert monitor.query_one(OutcomePanel).display
        await pilot.press("r")
        await until(pilot, lambda: monitor.alive)
        run.time = time.time()
        run.start(resumed_from=200)
        await until(pilot, lambda: "200 of 600" in text_of(monitor))
        assert not monitor.query_one(OutcomePanel).display
        await until(pilot, lambda: monitor.asked is None)
    os.close(locks[0])


async def test_what_cannot_be_started_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recorded.failed(tmp_path)

    def launch(folder: RunFolder) -> None:
        raise refused("no space on the disk")

    monkeypatch.setattr(supervisor, "launch", launch)
    async with opened(run.folder) as (pilot, monitor):
        await pilot.press("r")
        host = pilot.app
        assert isinstance(host, Host)
        await until(pilot, lambda: bool(host.errors))
        assert host.errors[0].title == "no space on the disk"
        assert monitor.asked is None


@pytest.mark.usefixtures("lasting")
async def test_only_keys_that_can_do_something_are_offered(
    tmp_path: Path, sent: list[object]
) -> None:
    run = recorded.completed(tmp_path)
    async with opened(run.folder) as (pilot, monitor):
        for key in ("space", "c", "k", "r"):
            await pilot.press(key)
        await until(pilot, lambda: len(pilot.app._notifications) == 1)
        assert [notice.message for notice in pilot.app._notifications] == [
            "The run is complete: e gives it more epochs."
        ]
        shown = {each.binding.description for each in monitor.active_bindings.values()}
        assert not shown & {"Pause", "Checkpoint", "Stop"}
        keys = compat.footer_keys(monitor.query_one(KeyFooter).children)
        footer = [key.description for key in keys]
        assert "Train on" in footer
        assert "Resume" not in footer
    assert not sent


async def test_the_other_keys_are_the_apps(tmp_path: Path) -> None:
    run = recorded.completed(tmp_path)
    async with opened(run.folder) as (pilot, _):
        for key in ("l", "q", "escape"):
            await pilot.press(key)
        assert isinstance(pilot.app, Host)
        assert pilot.app.calls == ["runs", "quit", "launch"]


async def test_escape_takes_the_crosshair_and_the_large_chart_away_first(tmp_path: Path) -> None:
    run = recorded.completed(tmp_path)
    async with opened(run.folder) as (pilot, monitor):
        await pilot.press("f", "x", "escape")
        assert monitor.chart.cursor is None
        assert monitor.large
        await pilot.press("escape")
        assert not monitor.large
        assert isinstance(pilot.app, Host)
        assert not pilot.app.calls
        await pilot.press("escape")
        assert pilot.app.calls == ["launch"]


async def test_a_complete_run_says_where_the_adapter_is(tmp_path: Path) -> None:
    run = recorded.completed(tmp_path)
    async with opened(run.folder, size=(160, 40)) as (_, monitor):
        text = text_of(monitor)
    assert "✓ complete: your adapter is step 600's, the best" in text
    assert "validation   3.4100 → 0.4140" in text
    assert "before       O Farense foi fundado em 1923, em Lisboa." in text
    assert "now          Foi fundado em 1910, em Faro." in text
    assert "a ask   m measure   s serve   E export   o report" in text
    assert str(run.folder.adapters)[:80] in text  # a long one is cut off at the edge
    assert "farense-tui ask, evaluate, serve, export demo-1" in text


async def test_an_overfitted_run_does_not_end_green(tmp_path: Path) -> None:
    run = recorded.overfitted(tmp_path)
    async with opened(run.folder, size=(120, 36)) as (pilot, monitor):
        text = text_of(monitor)
        assert "△ complete, but overfitted: the adapter is step 350's, 250 more steps made" in text
        assert "train.epochs 4 or train.early_stopping 3" in text
        assert monitor.query_one(OutcomePanel).has_class("-amber")
        assert not monitor.query_one(HealthCard).display  # told once
        await pilot.press("h")
        await until(pilot, lambda: "but overfitted" in text_of(pilot.app.screen))


async def test_a_run_that_was_deleted_under_the_monitor_says_so(tmp_path: Path) -> None:
    run = recorded.completed(tmp_path)
    async with opened(run.folder) as (pilot, monitor):
        shutil.rmtree(run.folder.path)
        await until(pilot, lambda: "its folder is gone" in text_of(monitor))


async def test_a_share_that_goes_away_ends_no_monitor(tmp_path: Path) -> None:
    run = recorded.completed(tmp_path)
    async with opened(run.folder) as (pilot, monitor):
        out_of_reach.replaced(run.folder.path)
        await until(pilot, lambda: "its folder is gone" in text_of(monitor))
        run.folder.path.unlink()
        recorded.completed(tmp_path)
        await until(pilot, lambda: "its folder is gone" not in text_of(monitor))


def test_an_error_of_the_disk_ends_no_living_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = recorded.failed(tmp_path).folder
    folder.training_state.unlink()
    with held(folder):
        living = Watch(folder).look(NOW)
    ended = Watch(folder).look(NOW)
    said = outcome(ended, None)
    assert said is not None
    assert said.hint == "r resumes from step 200"
    with monkeypatch.context() as patch:
        out_of_reach.failing(patch, folder.path)
        assert outcome(living, None) is None
    out_of_reach.failing(monkeypatch, folder.path, ["listdir", "scandir"])
    unseen = f"cannot read {folder.path}: Input/output error"
    assert outcome(ended, None) == said._replace(hint=unseen)
    assert post_mortem._where(ended)[1] == unseen  # and not that it starts from the beginning
    assert stop_dialog._lost(folder, ended.state) == unseen


async def test_zoom_pan_and_log_scale(tmp_path: Path) -> None:
    run = recorded.completed(tmp_path)
    async with opened(run.folder) as (pilot, monitor):
        chart = monitor.query_one(Chart)
        await pilot.press("plus", "plus", "left")
        assert chart.seen is not None
        assert chart.seen.end is not None
        await until(pilot, lambda: "zoomed (0 shows all)" in text_of(monitor))
        await pilot.press("0", "g")
        assert chart.seen is None
        await until(pilot, lambda: "log scale" in text_of(monitor))


async def test_the_chart_can_show_something_else_and_be_large(tmp_path: Path) -> None:
    run = recorded.completed(tmp_path)
    async with opened(run.folder, size=(120, 36)) as (pilot, monitor):
        height = monitor.query_one(Chart).size.height
        for subject in SUBJECTS[1:]:
            await pilot.press("v")
            await until(pilot, lambda s=subject: s in text_of(monitor).partition("step 0")[0])  # type: ignore[misc]
        await pilot.press("V", "x", "f")
        assert monitor.subject == SUBJECTS[-2]
        await until(pilot, lambda: "step 600" in text_of(monitor))
        await until(pilot, lambda: monitor.query_one(Chart).size.height > height + 5)
        await pilot.press("x", "f")
        await pilot.click("#trend-speed")
        assert monitor.subject == "tokens a second"
        await until(pilot, lambda: monitor.query_one(Chart).size.height == height)


async def test_no_spike_and_no_value_that_is_not_finite_is_lost(tmp_path: Path) -> None:
    run = recorded.nan(tmp_path)
    async with opened(run.folder) as (_, monitor):
        chart = monitor.query_one(Chart)
        top = "".join(chart.get_pixel(x, 1)[0] for x in range(chart.size.width))
        assert "✗" in top
        assert "8 " in text_of(monitor)


async def test_the_log_follows_unless_it_is_scrolled(tmp_path: Path) -> None:
    run = recorded.live(tmp_path)
    with held(run.folder):
        async with opened(run.folder) as (pilot, monitor):
            log = monitor.query_one(RunLog)
            assert log.follows
            assert log.top > 0
            assert log.lines[-1].text in text_of(monitor)
            await pilot.press("pageup")
            at = log.top
            run.notice("warning", "first")
            await until(pilot, lambda: log.lines[-1].text == "first")
            assert log.top == at
            assert "first" not in text_of(monitor)
            await pilot.press("end")
            run.notice("warning", "second")
            await until(pilot, lambda: "second" in text_of(monitor))


async def test_text_is_never_markup_and_never_an_escape_code(tmp_path: Path) -> None:
    run = recorded.live(tmp_path, upto=20)
    run.sample("[red]bold[/red] \x1b[31mred\x07\u202eturned")
    with held(run.folder):
        async with opened(run.folder, size=(160, 40)) as (_, monitor):
            text = text_of(monitor)
    assert "[red]bold[/red] �[31mred�turned" in text
    assert "\x1b" not in text


async def test_reading_does_not_hold_up_the_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recorded.live(tmp_path, upto=20)
    go = threading.Event()
    alive = RunFolder.is_alive

    def slow(folder: RunFolder) -> bool:
        go.wait(120)
        return alive(folder)

    monkeypatch.setattr(RunFolder, "is_alive", slow)
    async with Host(run.folder).run_test(size=(80, 24)) as pilot:
        assert isinstance(pilot.app, Host)
        monitor = pilot.app.monitor
        await until(pilot, lambda: "reading the record" in text_of(monitor))
        go.set()
        await until(pilot, lambda: "20 of 600" in text_of(monitor))
