"""Pictures of the monitor. The clock stands; the machine and the time zone are conftest's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from farense_tui.engine.runs import clock
from farense_tui.ui.charts.chart import Chart
from farense_tui.ui.charts.trends import Trend
from farense_tui.ui.monitor.memory_gauge import MemoryGauge
from tests.ui import recorded
from tests.ui.conftest import VITALS
from tests.ui.monitor_host import Host, held, settled
from tests.ui.recorded import Recording
from tests.ui.waiting import until

SIZES = [(80, 24), (120, 36), (200, 50)]
Make = Callable[[Path], Recording]


@pytest.fixture(autouse=True)
def never_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.boot_time", lambda: 0.0)


async def read(pilot: Pilot[None]) -> None:
    """Wait until all that was read is drawn."""
    monitor = await settled(pilot)
    gauge = monitor.query_one(MemoryGauge)
    await until(pilot, lambda: gauge.vitals == VITALS)
    drawn = [monitor.query_one(Chart)._throttle, *(t._throttle for t in monitor.query(Trend))]
    await until(pilot, lambda: not any(throttle.waiting for throttle in drawn))
    await pilot.pause()


@pytest.fixture
def picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snap_compare: Any) -> Any:
    """Compare the monitor on a recording with its picture."""

    def compare(
        make: Make, size: tuple[int, int], *, alive: bool = True, theme: str = "textual-dark"
    ) -> bool:
        monkeypatch.chdir(tmp_path)
        run = make(Path("runs"))  # a path that is the same on every machine
        monkeypatch.setattr(clock, "now", lambda: run.time + 0.3)
        host = Host(run.folder, theme=theme)
        if not alive:
            return bool(snap_compare(host, terminal_size=size, run_before=read))
        with held(run.folder):
            return bool(snap_compare(host, terminal_size=size, run_before=read))

    return compare


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_training(picture: Any, size: tuple[int, int]) -> None:
    assert picture(recorded.live, size)


def test_training_in_the_light(picture: Any) -> None:
    assert picture(recorded.live, (120, 36), theme="textual-light")


def test_training_in_a_small_terminal(picture: Any) -> None:
    assert picture(recorded.live, (60, 16))


@pytest.mark.parametrize("make", [recorded.paused, recorded.downloading, recorded.nan])
def test_alive(picture: Any, make: Make) -> None:
    assert picture(make, (80, 24))


@pytest.mark.parametrize("size", [(100, 30), (120, 30)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_with_a_card(picture: Any, size: tuple[int, int]) -> None:
    assert picture(recorded.nan, size)


def test_overfitted(picture: Any) -> None:
    assert picture(recorded.overfitted, (110, 32), alive=False)


@pytest.mark.parametrize("make", [recorded.completed, recorded.failed, recorded.live])
def test_ended(picture: Any, make: Make) -> None:
    assert picture(make, (80, 24), alive=False)


def test_ended_in_a_large_terminal(picture: Any) -> None:
    assert picture(recorded.completed, (200, 50), alive=False)
