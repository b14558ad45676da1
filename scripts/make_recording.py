"""The moving picture of the README: the demo in the real app, from its start to an answer.

    python scripts/make_recording.py [--out docs/pictures/demo.gif]

Nothing is played: a real worker trains the embedded model, as after pressing enter. A picture is
taken every second; where nothing changes, the one before stands longer. Needs rsvg-convert and the
DejaVu fonts.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import tempfile
import time
from io import BytesIO
from pathlib import Path

from make_pictures import ROOT, drawn
from PIL import Image
from textual.pilot import Pilot

from farense_tui.ui.app import FarenseApp
from farense_tui.ui.ask.screen import AskScreen
from farense_tui.ui.launch.plan.panel import PlanPanel
from farense_tui.ui.monitor.screen import MonitorScreen

SIZE = (100, 30)
COLOURS = 64
EVERY = 1.0  # seconds of the recording
SHOWN = 250  # milliseconds that a second of the training is shown for
LOOKED_AT = 2500  # milliseconds for what is to be read
MOST = 300.0  # seconds
Frames = list[tuple[str, int]]


def main() -> None:
    """Record, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures" / "demo.gif")
    out = parser.parse_args().out.absolute()
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_CONFIG_HOME"] = place  # no theme that somebody chose
        os.environ["COLORTERM"], os.environ["TERM"] = "truecolor", "xterm-256color"
        os.chdir(place)
        frames = asyncio.run(record(Path("runs")))
    write(frames, out)
    print(f"{out.name}: {len(frames)} pictures, {out.stat().st_size >> 10} KiB")


async def record(runs_dir: Path) -> Frames:
    """Start the demo, watch it, ask what it has learnt."""
    app, frames = FarenseApp(runs_dir), []
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(3)
        await _skip_what_only_newcomers_see(pilot)
        plan = app.screen.query_one(PlanPanel)
        await until(pilot, lambda: plan.complete)
        await pilot.pause(1)
        frames.append((drawn(app), LOOKED_AT))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        monitor = app.screen
        assert isinstance(monitor, MonitorScreen)
        ends = time.monotonic() + MOST
        while monitor.end is None and time.monotonic() < ends:
            await pilot.pause(EVERY)
            frames.append((drawn(app), SHOWN))
        await pilot.pause(2)
        frames.append((drawn(app), LOOKED_AT))
        await pilot.press("a")
        await three_questions(pilot)
        frames.append((drawn(app), 2 * LOOKED_AT))
    return frames


async def _skip_what_only_newcomers_see(pilot: Pilot[None]) -> None:
    if pilot.app.screen.is_modal:
        await pilot.press("escape")
        await pilot.pause(1)


async def until(pilot: Pilot[None], holds) -> None:  # type: ignore[no-untyped-def]
    ends = time.monotonic() + MOST
    while not holds():
        assert time.monotonic() < ends, "waited in vain"
        await pilot.pause(0.2)


async def three_questions(pilot: Pilot[None]) -> None:
    """Ask the first questions of the test set, once the models are loaded."""
    await until(pilot, lambda: isinstance(pilot.app.screen, AskScreen))
    asked = pilot.app.screen
    assert isinstance(asked, AskScreen)
    await until(pilot, lambda: not asked.busy)
    for _each in range(3):
        await pilot.press("ctrl+t", "enter")
        await pilot.pause(0.5)
        await until(pilot, lambda: not asked.busy)
    await pilot.pause(1)


def write(frames: Frames, out: Path) -> None:
    """Make a GIF; a picture that is as the one before makes that one stand longer."""
    told: Frames = []
    for picture, shown in frames:
        if told and told[-1][0] == picture:
            told[-1] = (picture, told[-1][1] + shown)
        else:
            told.append((picture, shown))
    pictures = [_bitmap(picture) for picture, _shown in told]
    some = _beside(pictures[:: max(1, len(pictures) // 8)])
    palette = some.quantize(COLOURS, Image.Quantize.MAXCOVERAGE)  # the rare colours as well
    first, *rest = [each.quantize(palette=palette, dither=Image.Dither.NONE) for each in pictures]
    times = [shown for _picture, shown in told]
    first.save(out, save_all=True, append_images=rest, duration=times, loop=0, optimize=True)


def _beside(pictures: list[Image.Image]) -> Image.Image:
    """Lay pictures in a row, so that all their colours are seen."""
    width, height = pictures[0].size
    row = Image.new("RGB", (width * len(pictures), height))
    for at, picture in enumerate(pictures):
        row.paste(picture, (at * width, 0))
    return row


def _bitmap(picture: str) -> Image.Image:
    made = subprocess.run(
        ["rsvg-convert"], input=picture.encode(), capture_output=True, check=True
    ).stdout
    return Image.open(BytesIO(made)).convert("RGB")


if __name__ == "__main__":
    main()
