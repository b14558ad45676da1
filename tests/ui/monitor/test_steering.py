"""Health and steering on the monitor, on simulated workers that are real processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import replace_setting
from farense_worker.protocol.settings.profile_file import dumps
from textual.pilot import Pilot
from textual.widgets import Input, Static

from farense_tui.engine.runs import clock, played, supervisor
from farense_tui.engine.runs.supervisor import Worker
from farense_tui.ui.app import FarenseApp
from farense_tui.ui.charts.chart import Chart
from farense_tui.ui.common.dialogs import ErrorDialog
from farense_tui.ui.common.setting_row import Choice
from farense_tui.ui.monitor.change import ChangeDialog
from farense_tui.ui.monitor.health import HealthDialog, TextDialog
from farense_tui.ui.monitor.health_card import HealthCard
from farense_tui.ui.monitor.screen import MonitorScreen
from farense_tui.ui.monitor.stop import StopDialog
from tests.ui import recorded
from tests.ui.conftest import text_of
from tests.ui.waiting import stop, until

REAL_NOW = clock.now
SIZES = [(60, 16), (80, 24), (120, 36), (200, 50)]


@pytest.fixture(autouse=True)
def _real_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A played run has its own; it does not stand."""
    monkeypatch.setattr(clock, "now", REAL_NOW)
    yield
    clock.play(None)


@asynccontextmanager
async def playing(
    folder: Path, scenario: str, speed: float = 200.0, size: tuple[int, int] = (100, 30)
) -> AsyncIterator[tuple[Pilot[None], MonitorScreen]]:
    """The app on a scenario; its worker is gone afterwards."""
    run = played.prepare_scenario(scenario, speed, folder)
    app = FarenseApp(folder, run, supervisor.launch(run))
    try:
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
            monitor = app.screen
            assert isinstance(monitor, MonitorScreen)
            await until(pilot, lambda: monitor.snapshot is not None)
            yield pilot, monitor
    finally:
        if supervisor.kill(run):
            supervisor.wait_until_gone(run, 120)


def rules(monitor: MonitorScreen) -> list[str]:
    return [finding.rule for finding in monitor.query_one(HealthCard).findings]


def steps(monitor: MonitorScreen) -> int:
    assert monitor.snapshot
    return monitor.snapshot.state.step


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_the_card_is_there_at_every_size(tmp_path: Path, size: tuple[int, int]) -> None:
    async with playing(tmp_path, "stall-step", size=size) as (pilot, monitor):
        await until(pilot, lambda: rules(monitor) == ["step"])
        await until(pilot, lambda: "▲ alarm  step 81 does not end" in text_of(monitor))
        text = text_of(monitor)
        assert "h  " in text
        assert ("usually 0.5 s" in text) == (size[1] >= 20)
        assert monitor.query_one(Chart).size.height >= 4


async def test_a_healthy_run_has_no_card(tmp_path: Path) -> None:
    async with playing(tmp_path, "ok", 5.0) as (pilot, monitor):
        await until(pilot, lambda: steps(monitor) > 20)
        assert not monitor.query_one(HealthCard).display
        await pilot.press("h")
        await until(pilot, lambda: isinstance(pilot.app.screen, HealthDialog))
        await pilot.press("escape")


async def test_the_remedy_is_applied_and_cures(tmp_path: Path) -> None:
    async with playing(tmp_path, "diverge", 20.0) as (pilot, monitor):
        await until(pilot, lambda: rules(monitor) == ["diverging"])
        await pilot.press("h")
        await until(pilot, lambda: isinstance(pilot.app.screen, HealthDialog))
        await pilot.press("1")
        state = lambda: monitor.snapshot.state  # type: ignore[union-attr]  # noqa: E731
        await until(pilot, lambda: len(state().segments) == 2)
        assert monitor.folder.read_config().train.learning_rate == 1e-4
        assert state().segments[1].resumed_from_step == 150  # the best validation's
        await until(pilot, lambda: rules(monitor) == [])
        assert monitor.snapshot
        assert monitor.snapshot.config
        assert monitor.snapshot.config.train.learning_rate == 1e-4


async def test_settings_are_changed_while_it_trains(tmp_path: Path) -> None:
    async with playing(tmp_path, "ok", 5.0) as (pilot, monitor):
        await until(pilot, lambda: steps(monitor) > 3)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChangeDialog))
        dialog = pilot.app.screen
        what = dialog.query_one(".what", Static)
        dialog.query_one("#report-eval_every", Input).value = "400"
        await until(pilot, lambda: "validates every 150 steps" in str(what.render()))
        for name, value in (("report-eval_every", "0"), ("train-epochs", "4")):
            dialog.query_one(f"#{name}", Input).value = value
        fault = dialog.query_one(".fault", Static)
        await until(pilot, lambda: "must be a whole number from 1" in str(fault.render()))
        await pilot.press("enter")
        assert pilot.app.screen is dialog  # nothing is done with a fault
        dialog.query_one("#report-eval_every", Input).value = "25"
        dialog.query_one(Choice).value = "m1-8gb"
        await until(pilot, lambda: "train.batch_size  4 → 2" in str(what.render()))
        assert "8 examples a step" in str(what.render())
        await pilot.press("enter")
        await until(pilot, lambda: len(monitor.snapshot.state.segments) == 2)  # type: ignore[union-attr]
        config = monitor.folder.read_config()
        assert (config.report.eval_every, config.train.epochs) == (25, 4)
        assert (config.train.batch_size, config.effective_batch) == (2, 8)
        assert monitor.snapshot
        assert monitor.snapshot.state.total_steps == 800


async def test_fewer_epochs_than_are_done_are_refused_before_anything_stops(
    tmp_path: Path,
) -> None:
    async with playing(tmp_path, "ok", 300.0) as (pilot, monitor):
        await until(pilot, lambda: steps(monitor) > 210)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChangeDialog))
        dialog = pilot.app.screen
        dialog.query_one("#train-epochs", Input).value = "1"
        fault = dialog.query_one(".fault", Static)
        await until(pilot, lambda: "1 epoch is done already" in str(fault.render()))
        await pilot.press("escape")


async def test_a_run_out_of_memory_is_resumed_with_what_takes_less(tmp_path: Path) -> None:
    """280 tokens went through at once: micro-batches of one row of 512 would be no smaller."""
    async with playing(tmp_path, "oom") as (pilot, monitor):
        await until(pilot, lambda: rules(monitor) == ["out-of-memory"])
        await pilot.press("h")
        await until(pilot, lambda: isinstance(pilot.app.screen, HealthDialog))
        await pilot.press("1")
        await until(pilot, lambda: steps(monitor) > 90)
        assert monitor.folder.read_config().train.grad_checkpoint


async def test_a_killed_run_is_told_once(tmp_path: Path) -> None:
    async with playing(tmp_path, "oom-kill") as (pilot, monitor):
        await until(pilot, lambda: monitor.end is not None)
        await until(pilot, lambda: [f.rule for f in monitor.findings] == ["worker-gone"])
        assert rules(monitor) == []  # the panel says it, with the key


async def test_a_key_that_is_held_asks_once(tmp_path: Path) -> None:
    async with playing(tmp_path, "ok", 20.0) as (pilot, monitor):
        await until(pilot, lambda: steps(monitor) > 0)
        for _again in range(5):
            monitor.action_stop()
        await until(pilot, lambda: isinstance(pilot.app.screen, StopDialog))
        dialog = pilot.app.screen
        assert pilot.app.screen_stack[-2:] == [monitor, dialog]
        for _again in range(3):
            dialog.dismiss("y")
        assert pilot.app.screen is monitor
        await until(pilot, lambda: not monitor.alive)
        assert pilot.app.screen is monitor


async def test_a_question_under_another_one_takes_nothing_else_away(tmp_path: Path) -> None:
    async with playing(tmp_path, "ok", 20.0) as (pilot, monitor):
        await until(pilot, lambda: steps(monitor) > 0)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(pilot.app.screen, StopDialog))
        asked = pilot.app.screen
        text = TextDialog("above", ["it"])
        await pilot.app.push_screen(text)
        supervisor.ask(monitor.folder, supervisor.Control.STOP)
        await until(pilot, lambda: not monitor.folder.is_alive())
        await pilot.pause(0.6)  # it looks twice a second
        assert pilot.app.screen is text
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is monitor)
        assert asked not in pilot.app.screen_stack


async def test_w_shows_the_stacks(tmp_path: Path) -> None:
    async with playing(tmp_path, "stall-step") as (pilot, monitor):
        await until(pilot, lambda: steps(monitor) == 80)
        await pilot.press("w")
        await until(pilot, lambda: isinstance(pilot.app.screen, TextDialog))
        texts = " ".join(str(static.render()) for static in pilot.app.screen.query(Static))
        assert "stage.py" in texts


async def test_a_change_that_the_worker_does_not_heed_ends_with_a_kill(tmp_path: Path) -> None:
    async with playing(tmp_path, "stall-step") as (pilot, monitor):
        await until(pilot, lambda: steps(monitor) == 80)
        monitor._change_to({"train.learning_rate": 1e-4})
        await until(pilot, lambda: "deaf" in rules(monitor))
        await stop(pilot)
        await until(pilot, lambda: len(monitor.snapshot.state.segments) == 2)  # type: ignore[union-attr]
        assert monitor.folder.read_config().train.learning_rate == 1e-4


async def test_a_change_that_makes_it_another_run_is_refused_and_nothing_stops(
    tmp_path: Path,
) -> None:
    async with playing(tmp_path, "ok", 5.0) as (pilot, monitor):
        await until(pilot, lambda: steps(monitor) > 0)
        monitor._change_to({"lora.rank": 4})
        await until(pilot, lambda: isinstance(pilot.app.screen, ErrorDialog))
        assert monitor.folder.is_alive()
        assert monitor.asked is None


async def test_a_complete_run_takes_no_change_without_more_epochs(tmp_path: Path) -> None:
    async with playing(tmp_path, "ok", 2000.0) as (pilot, monitor):
        await until(pilot, lambda: monitor.snapshot and monitor.snapshot.status == "completed")
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChangeDialog))
        dialog = pilot.app.screen
        fault = dialog.query_one(".fault", Static)
        dialog.query_one("#train-learning_rate", Input).value = "0.0001"
        await until(pilot, lambda: "give it more epochs" in str(fault.render()))
        await pilot.press("enter")
        assert pilot.app.screen is dialog
        dialog.query_one("#train-epochs", Input).value = "4"
        await until(pilot, lambda: not fault.display)
        await pilot.press("escape")


async def test_a_run_that_stopped_early_is_given_more_patience(runs_dir: Path) -> None:
    run = recorded.live(runs_dir)
    config = replace_setting(run.folder.read_config(), "train.early_stopping", 3)
    run.folder.config.write_text(dumps(config))
    run.end("early_stopping")
    app = FarenseApp(runs_dir, run.folder)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen) and app.screen.end)
        assert "e lets it go on" in text_of(app.screen)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, ChangeDialog))
        dialog = app.screen
        fault, what = (dialog.query_one(name, Static) for name in (".fault", ".what"))
        assert "It stopped early" in str(what.render())
        dialog.query_one("#train-epochs", Input).value = "4"
        await until(pilot, lambda: "It stopped early" in str(fault.render()))
        await pilot.press("enter")
        assert app.screen is dialog
        for patience in ("0", "4"):
            dialog.query_one("#train-early_stopping", Input).value = patience
            await until(pilot, lambda: not fault.display)
        dialog.query_one("#train-early_stopping", Input).value = "2"
        await until(pilot, lambda: fault.display)


def test_a_change_of_an_ended_run_resumes_it(tmp_path: Path) -> None:
    from farense_tui.engine.runs import steer

    run = played.prepare_scenario("oom-kill", 3000.0, tmp_path)
    supervisor.launch(run).wait()
    config = replace_setting(run.read_config(), "report.eval_every", 40)
    worker: Worker | None = steer.apply(RunFolder(run.path), {"report.eval_every": 40})
    assert worker
    worker.wait()
    assert run.config.read_text() == dumps(config)
