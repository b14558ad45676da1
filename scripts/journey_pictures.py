"""The five pictures of a whole journey: data, launch, monitor, the end, an answer.

    python scripts/journey_pictures.py

Nothing is played: the sample data in a folder of its own stands for a user's, a real worker trains
the embedded model on it. Needs rsvg-convert and the DejaVu fonts.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from make_recording import ROOT, drawn, until

from farense_tui.ui.app import FarenseApp
from farense_tui.ui.ask.screen import AskScreen
from farense_tui.ui.launch.screen import LaunchScreen
from farense_tui.ui.monitor.screen import MonitorScreen

OUT = ROOT / "docs" / "pictures"
SIZE = (100, 30)
SEEN = 60  # steps after which the monitor is worth a picture


def main() -> None:
    """Go the way in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_CONFIG_HOME"] = place  # no theme that somebody chose
        os.environ["COLORTERM"], os.environ["TERM"] = "truecolor", "xterm-256color"
        shutil.copytree(ROOT / "data" / "farense", Path(place) / "my-data")
        os.chdir(place)
        asyncio.run(go(FarenseApp(Path("runs"), data="my-data")))


async def go(app: FarenseApp) -> None:
    """Take a picture of each screen."""
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: not isinstance(app.screen, LaunchScreen))
        await until(pilot, lambda: "longest" in text(app) and "648" in text(app))
        await pilot.pause(2)
        keep(app, "data")
        await pilot.press("escape")
        await until(pilot, lambda: "fits" in text(app) and "164" in text(app))
        await pilot.pause(2)
        keep(app, "launch")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        monitor = app.screen
        assert isinstance(monitor, MonitorScreen)
        await until(pilot, lambda: monitor.snapshot and monitor.snapshot.state.step >= SEEN)
        keep(app, "monitor")
        await until(pilot, lambda: monitor.end is not None)
        await pilot.pause(2)
        keep(app, "end")
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, AskScreen))
        asked = app.screen
        assert isinstance(asked, AskScreen)
        await until(pilot, lambda: not asked.busy)
        await pilot.press("ctrl+t", "enter")
        await pilot.pause(0.5)
        await until(pilot, lambda: not asked.busy)
        await pilot.pause(1)
        keep(app, "answer")


def text(app: FarenseApp) -> str:
    """What can be read on the screen."""
    strips = app.screen._compositor.render_strips(app.size)
    return "\n".join(strip.text for strip in strips)


def keep(app: FarenseApp, name: str) -> None:
    """Write what is on the screen."""
    path = OUT / f"journey-{name}.png"
    subprocess.run(["rsvg-convert", "--output", path], input=drawn(app).encode(), check=True)
    print(path.name, flush=True)


if __name__ == "__main__":
    main()
