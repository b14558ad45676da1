"""The pictures of other tests in Portuguese. The language is chosen once in a process:

    FARENSE_TEST_LANG=pt python -m pytest tests/ui/in_portuguese.py

test_in_portuguese.py does that. With --snapshot-update it makes the pictures anew.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from farense_worker.protocol import language
from textual.pilot import Pilot

from farense_tui.ui.app import FarenseApp
from farense_tui.ui.monitor.leave import LeaveDialog
from tests.ui import recorded
from tests.ui.common.test_doctor import test_the_panel
from tests.ui.launch.test_pictures import (
    test_all_settings,
    test_launch,
    test_runs,
    test_the_help,
)
from tests.ui.monitor.test_health_pictures import test_change, test_post_mortem
from tests.ui.monitor.test_snapshots import (
    never_restarted,
    picture,
    test_alive,
    test_ended,
    test_training,
)
from tests.ui.monitor_host import held
from tests.ui.runs.test_screen import Bare

assert language.spoken() == "pt"

__all__ = [
    "never_restarted",
    "picture",
    "test_alive",
    "test_all_settings",
    "test_change",
    "test_ended",
    "test_launch",
    "test_post_mortem",
    "test_runs",
    "test_the_help",
    "test_the_panel",
    "test_training",
]


@pytest.mark.parametrize("several", [False, True])
def test_leaving(
    snap_compare: Callable[..., bool], tmp_path: Path, runs_dir: Path, several: bool
) -> None:
    folder = recorded.live(tmp_path).folder
    app: FarenseApp = Bare(runs_dir)

    async def steps(pilot: Pilot[None]) -> None:
        app.push_screen(LeaveDialog([folder, folder] if several else [folder]))
        await pilot.pause()

    with held(folder):  # the question follows the run
        assert snap_compare(app, terminal_size=(80, 24), run_before=steps)
