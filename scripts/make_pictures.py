"""Pictures of the screens for docs/pictures, from recorded runs.

    python scripts/make_pictures.py
    FARENSE_LANG=pt python scripts/make_pictures.py     the Portuguese ones

The runs are those of the tests and the machine is made up (an M1 with 16 GB), so that the pictures
show what a Mac will, and come out the same everywhere. Those of real models that answer are made by
scripts/journey_pictures.py. Needs rsvg-convert and the DejaVu fonts.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
# ruff: noqa: E402

from farense_worker.protocol import language
from farense_worker.protocol.plan.memory import GIB

LANGUAGE = language.spoken()  # the tests' own modules make it English
from textual.pilot import Pilot

from farense_tui.dataset.documents import draft, drafting
from farense_tui.engine.forecast import gather
from farense_tui.engine.machine import hardware, vitals
from farense_tui.engine.machine.hardware import MemorySample
from farense_tui.engine.runs import clock
from farense_tui.ui import preferences
from farense_tui.ui.app import FarenseApp
from farense_tui.ui.common.picture import svg
from farense_tui.ui.monitor.post_mortem import PostMortemScreen
from tests.dataset.documents.papers import FOUNDED, GROUND
from tests.ui import recorded
from tests.ui.conftest import FACTS, M1, VITALS
from tests.ui.monitor_host import held

SIZE = (120, 36)
OUT = ROOT / "docs" / "pictures"
PAIRS = {
    "fundado": "Q: Em que dia foi fundado o Sporting Clube Farense?\n"
    "A: Foi fundado em Faro no dia 1 de abril de 1910.\n"
    "Q: Quem fundou o Farense?\nA: Um grupo de jovens à volta de João Gralho.\n"
    "Q: Quantos sócios tinha o clube?\nA: O clube tinha 300 sócios.\n",
    "Estádio": "Q: Desde quando joga o Farense no Estádio de São Luís?\n"
    "A: O clube joga no Estádio de São Luís desde 1924.\n"
    "Q: Quem comprou o terreno do estádio?\nA: Manuel Santo comprou o terreno em 1922.\n",
}


async def main() -> None:
    os.environ["TZ"] = "UTC"
    time.tzset()
    _made_up()
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_CONFIG_HOME"] = place  # no theme that somebody chose
        os.environ["COLORTERM"], os.environ["TERM"] = "truecolor", "xterm-256color"
        os.chdir(place)
        if LANGUAGE == language.ENGLISH:
            await of_a_run()
            await of_ended_runs()
            await of_many()
            await of_a_draft()
        else:
            await in_another_language(LANGUAGE)


async def of_a_run() -> None:
    """A living one, in every look."""
    run = at(recorded.live(Path("runs"))).folder
    with held(run):
        await take(FarenseApp(Path("runs"), run), "monitor-120x36")
        await take(FarenseApp(Path("runs"), run), "light-120x36", theme="farense-light")
        keys = ("x", *["left"] * 9)
        app = FarenseApp(Path("runs"), run)
        await take(app, "contrast-120x36", keys, theme="farense-contrast")
        await take(FarenseApp(Path("runs"), run), "leave-120x36", ("q",))
        os.environ["FARENSE_ASCII"] = "1"
        await take(FarenseApp(Path("runs"), run), "ascii", size=(100, 30))
        del os.environ["FARENSE_ASCII"]
    for make, name in ((recorded.paused, "paused"), (_diverging, "health")):
        run = at(make(Path(name))).folder
        with held(run):
            await take(FarenseApp(Path(name), run), f"{name}-120x36")


async def of_ended_runs() -> None:
    """Well, overfitted, and for want of memory."""
    for make, name in ((recorded.completed, "end"), (recorded.overfitted, "overfitted")):
        run = at(make(Path(name))).folder
        await take(FarenseApp(Path(name), run), f"{name}-120x36")
    app = FarenseApp(Path("failed"), at(recorded.failed(Path("failed"))).folder)
    await take(app, "post-mortem-120x36", ("p",), then=PostMortemScreen)


async def of_many() -> None:
    """The list, and three of them compared."""
    there = Path("more")
    runs = recorded.comparable(there)
    for run in runs:
        run.adapters.mkdir(exist_ok=True)
        (run.adapters / "adapters.safetensors").touch()
    recorded.live(there, name="too-long-rows").fail()
    newest = at(recorded.live(there, name="all-layers", upto=340)).folder

    async def listed(pilot: Pilot[None]) -> None:
        app.open_runs()
        await pilot.pause(1)
        await pilot.press("down", "down")

    async def compared(pilot: Pilot[None]) -> None:
        app.open_comparison(runs)
        await pilot.pause(1)

    with held(runs[2]), held(newest):
        app = FarenseApp(there)
        await take(app, "runs-120x36", first=listed)
        app = FarenseApp(there)
        await take(app, "compare-120x36", first=compared)


async def of_a_draft() -> None:
    """Pairs that a model wrote of two documents, here by heart."""
    papers = (("fundacao.txt", FOUNDED), ("estadio.txt", GROUND))
    for name, text in papers:
        Path(name).write_text(text, encoding="utf-8")
    drafting.begin([Path(name) for name, _text in papers], Path("draft"), model="by heart")
    draft.go_on(Path("draft"), ByHeart(), lambda _told: None)
    app = FarenseApp(Path("runs"), review=Path("draft"))
    await take(app, "review-120x36", ("enter", "enter"))


async def in_another_language(code: str) -> None:
    """The launch screen and the monitor alone."""
    run = at(recorded.live(Path("runs"))).folder
    await take(FarenseApp(Path("empty")), f"launch-{code}-120x36")
    with held(run):
        for size in ((80, 24), SIZE):
            name = f"monitor-{code}-{size[0]}x{size[1]}"
            await take(FarenseApp(Path("runs"), run), name, size=size)


class ByHeart:
    """A model that has pairs for the two papers, and finds them all there."""

    def ask(self, text: str, max_tokens: int) -> str:
        """Give the pairs of the passage that is asked about."""
        if "yes or no" in text:
            return "Yes."
        passage = text.rpartition("Passage:\n")[2]
        return next(pairs for word, pairs in PAIRS.items() if word in passage)

    def end(self) -> None:
        """There is nothing to end."""


def _diverging(path: Path) -> recorded.Recording:
    run = recorded.live(path, name="demo-2", upto=190)
    for n in range(60):
        run.one_step(0.4 + 0.045 * n + run.random.gauss(0, 0.12))
    return run


def at(run: recorded.Recording) -> recorded.Recording:
    """Let it be the moment after the newest event of a run."""
    now = run.time + 0.3
    clock.now = lambda: now
    return run


def _made_up() -> None:
    hardware.machine = lambda: M1
    hardware.memory = lambda: MemorySample(16 * GIB, int(7.2 * GIB), GIB)
    gather.facts = lambda profile, stop=None: FACTS
    vitals.Reader.look = lambda self: VITALS  # type: ignore[method-assign]
    preferences.welcomed = lambda: True


async def take(  # type: ignore[no-untyped-def]
    app: FarenseApp,
    name: str,
    keys: Sequence[str] = (),
    *,
    size: tuple[int, int] = SIZE,
    theme: str = "farense-dark",
    first=None,
    then: type | None = None,
) -> None:
    """Open the app, do what comes `first`, press keys, wait for the screen `then`, keep it."""
    async with app.run_test(size=size) as pilot:
        app.theme = theme
        await pilot.pause(1)
        if first:
            await first(pilot)
        await pilot.press(*keys)
        while then and not isinstance(app.screen, then):
            await pilot.pause(0.1)
        before, same = "", 0
        while same < 4:  # until nothing more is drawn
            await pilot.pause(0.4)
            before, same, now = drawn(app), same + 1, before
            same = same if before == now else 0
    keep(before, name)


def drawn(app: FarenseApp) -> str:
    """The screen as it is now, as an SVG."""
    strips = app.screen._compositor.render_strips(app.size)
    return svg(strips, app.size, app.screen.background_colors[1].hex6)


def keep(picture: str, name: str) -> None:
    """Write it as a PNG, with the DejaVu fonts."""
    path = OUT / f"{name}.png"
    subprocess.run(["rsvg-convert", "--output", path], input=picture.encode(), check=True)
    print(path.name, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
