"""The five pictures of a whole journey: data, launch, monitor, the end, an answer; then ask, serve.

    python scripts/journey_pictures.py

Nothing is played: the sample data in a folder of its own stands for a user's, a real worker trains
the embedded model on it, then another one for half as long, and both are asked and served. Needs
rsvg-convert and the DejaVu fonts.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.request import Request, urlopen

from farense_worker.protocol.run_folder import RunFolder
from make_pictures import ROOT, drawn, keep
from make_recording import three_questions, until

from farense_tui.ui.app import FarenseApp
from farense_tui.ui.ask.screen import AskScreen
from farense_tui.ui.launch.screen import LaunchScreen
from farense_tui.ui.monitor.screen import MonitorScreen
from farense_tui.ui.serve.screen import ServeScreen

SIZE = (100, 30)
WIDE = (120, 30)
ASKED = ("Em que ano foi fundado o Farense?", "Onde joga o Farense?", "Quem foi Paco Fortes?")
SEEN = 60  # steps after which the monitor is worth a picture


def main() -> None:
    """Go the way in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_CONFIG_HOME"] = place  # no theme that somebody chose
        os.environ["COLORTERM"], os.environ["TERM"] = "truecolor", "xterm-256color"
        shutil.copytree(ROOT / "data" / "farense", Path(place) / "my-data")
        os.chdir(place)
        asyncio.run(go(FarenseApp(Path("runs"), data="my-data")))
        asyncio.run(afterwards(two(Path("runs"))))


async def go(app: FarenseApp) -> None:
    """Take a picture of each screen."""
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: not isinstance(app.screen, LaunchScreen))
        await until(pilot, lambda: "longest" in text(app) and "648" in text(app))
        await pilot.pause(2)
        keep(drawn(app), "journey-data")
        await pilot.press("escape")
        await until(pilot, lambda: "fits" in text(app) and "164" in text(app))
        await pilot.pause(2)
        keep(drawn(app), "journey-launch")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        monitor = app.screen
        assert isinstance(monitor, MonitorScreen)
        await until(pilot, lambda: monitor.snapshot and monitor.snapshot.state.step >= SEEN)
        keep(drawn(app), "journey-monitor")
        await until(pilot, lambda: monitor.end is not None)
        await pilot.pause(2)
        keep(drawn(app), "journey-end")
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, AskScreen))
        await three_questions(pilot)
        keep(drawn(app), "journey-answer")


def two(there: Path) -> list[RunFolder]:
    """Train another run for half as long; both."""
    program = (sys.executable, "-m", "farense_tui", "train", "--profile", "demo")
    given = ("--data", "my-data", "--runs-dir", there, "--name", "shorter")
    subprocess.run([*program, *given, "--set", "train.epochs=2"], check=True)
    return [RunFolder(path) for path in sorted(there.iterdir())]


async def afterwards(runs: list[RunFolder]) -> None:
    """Ask the runs beside their base model; put them behind an address."""
    app = FarenseApp(runs[0].path.parent, runs[0])
    async with app.run_test(size=WIDE) as pilot:
        app.open_ask(runs)
        await three_questions(pilot)
        keep(drawn(app), "ask-120x30")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, AskScreen))
        app.open_serve(runs)
        await until(pilot, lambda: isinstance(app.screen, ServeScreen))
        served = app.screen
        assert isinstance(served, ServeScreen)
        await until(pilot, lambda: served.at)
        assert served.at
        for question in ASKED:
            await asyncio.to_thread(answered, f"{served.at.address}/chat/completions", question)
        await pilot.pause(2)
        keep(drawn(app), "serve-120x30")
        await pilot.press("s")
        await until(pilot, lambda: served.ended)


def answered(address: str, question: str) -> None:
    """Have a question answered, as any client does."""
    asked = {"messages": [{"role": "user", "content": question}], "max_tokens": 40}
    kind = {"Content-Type": "application/json"}
    with urlopen(Request(address, json.dumps(asked).encode(), kind)) as answer:
        answer.read()


def text(app: FarenseApp) -> str:
    """What can be read on the screen."""
    strips = app.screen._compositor.render_strips(app.size)
    return "\n".join(strip.text for strip in strips)


if __name__ == "__main__":
    main()
