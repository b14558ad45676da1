"""Pictures of the monitor and the comparison for docs/pictures, from recorded runs.

    python scripts/make_pictures.py
    FARENSE_LANG=pt python scripts/make_pictures.py     the Portuguese ones

The runs are those of the tests and the machine is made up (an M1 with 16 GB), so that the pictures
show what a Mac will, and come out the same everywhere. Needs rsvg-convert and the DejaVu fonts.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
# ruff: noqa: E402

from farense_worker.protocol import language

from farense_tui.engine.forecast import gather
from farense_tui.engine.machine import hardware, vitals
from farense_tui.engine.machine.hardware import GIB, MemorySample
from farense_tui.engine.machine.vitals import Vitals
from farense_tui.engine.runs import clock
from farense_tui.ui.app import FarenseApp
from farense_tui.ui.common.picture import svg
from tests.ui import recorded
from tests.ui.conftest import FACTS, M1
from tests.ui.monitor_host import held

SIZE = (120, 36)
OUT = ROOT / "docs" / "pictures"


def _svg(app: FarenseApp) -> str:
    strips = app.screen._compositor.render_strips(app.size)
    return svg(strips, app.size, app.screen.background_colors[1].hex6)


async def main() -> None:
    os.environ["TZ"] = "UTC"
    time.tzset()
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_CONFIG_HOME"] = place  # no theme that somebody chose
        os.chdir(place)
        run = recorded.live(Path("runs"))
        _stand_still(run.time + 0.3)
        if language.spoken() != language.ENGLISH:
            await in_another_language(run, language.spoken())
            return
        runs = recorded.comparable(Path("more"))
        theme = "farense-dark"
        with held(run.folder):
            await take(FarenseApp(Path("runs"), run.folder), SIZE, theme, "monitor-120x36.png")
        app = FarenseApp(Path("more"), runs[0])
        await take(app, SIZE, theme, "compare-120x36.png", runs)
        with held(run.folder):
            await take(
                FarenseApp(Path("runs"), run.folder),
                SIZE,
                "farense-contrast",
                "contrast-120x36.png",
                keys=("x", *["left"] * 9),
            )
            os.environ["FARENSE_ASCII"] = "1"
            await take(FarenseApp(Path("runs"), run.folder), (100, 30), "farense-dark", "ascii.png")


async def in_another_language(run: recorded.Recording, code: str) -> None:
    """The launch screen and the monitor alone."""
    hardware.machine = lambda: M1
    gather.facts = lambda profile, stop=None: FACTS
    await take(FarenseApp(Path("runs")), SIZE, "farense-dark", f"launch-{code}-120x36.png")
    for size in ((80, 24), SIZE):
        name = f"{code}-{size[0]}x{size[1]}.png"
        with held(run.folder):
            await take(
                FarenseApp(Path("runs"), run.folder), size, "farense-dark", f"monitor-{name}"
            )


def _stand_still(now: float) -> None:
    clock.now = lambda: now
    hardware.memory = lambda: MemorySample(16 * GIB, int(7.2 * GIB), GIB)
    found = Vitals(swap_in=0.0, swap_out=0.0, pressure="normal", gpu=0.93, gpu_power=8.2)
    vitals.Reader.look = lambda self: found  # type: ignore[method-assign]


async def take(app, size, theme, name, runs=(), keys=()) -> None:  # type: ignore[no-untyped-def]
    """Open the app, compare `runs` if there are any, press keys, write the picture."""
    async with app.run_test(size=size) as pilot:
        app.theme = theme
        await pilot.pause(0.5)
        if runs:
            app.open_comparison(runs)
        await pilot.press(*keys)
        before, same = "", 0
        while same < 5:  # until nothing more is drawn
            await pilot.pause(0.4)
            before, same, now = _svg(app), same + 1, before
            same = same if before == now else 0
        drawn = ["rsvg-convert", "--output", str(OUT / name)]  # with the DejaVu fonts
        subprocess.run(drawn, input=_svg(app).encode(), check=True)
    with contextlib.suppress(KeyError):
        del os.environ["FARENSE_ASCII"]


if __name__ == "__main__":
    asyncio.run(main())
