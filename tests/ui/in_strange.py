"""No screen shows an English word that is not marked. test_in_portuguese.py runs these."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from farense_worker.protocol import language
from textual.pilot import Pilot

from farense_tui.engine.profiles.draft import all_settings
from farense_tui.engine.runs.watch import Watch
from farense_tui.ui.app import FarenseApp
from farense_tui.ui.launch.models import ModelsScreen
from farense_tui.ui.monitor.change import ChangeDialog
from farense_tui.ui.monitor.leave import LeaveDialog
from farense_tui.ui.monitor.post_mortem import PostMortemScreen
from tests.ui import recorded
from tests.ui.launch.test_pictures import at_launch
from tests.ui.monitor_host import held
from tests.ui.recorded import Recording
from tests.ui.strange import LETTER
from tests.ui.waiting import until

WORD = re.compile(r"[A-Za-z]{3,}")
SIZE = (200, 50)
# Names, files, units and values; what a run's record says in the words of who wrote it.
NAMES = """
    farense tui Apple Metal macOS GPU CPU MLX LoRA GiB MiB esc enter pgup pgdn home end
    community Mistral AMALIA layerx labs SFT Apache Instruct Llama Qwen bit
    train valid test embedded demo toml profiles
    checkpoints adapters worker log auto ask checkpoint
    Traceback most recent call last RuntimeError metal malloc Attempting allocate
    the machine memory ran out asked for beside that may have Take batch size and grad shorter
    sequences Sporting Clube Farense Foi fundado Faro que ano foi Lisboa messages
"""
KNOWN = {word.lower() for word in NAMES.split()}
for each in all_settings():
    KNOWN |= {part.lower() for part in WORD.findall(f"{each.name} {' '.join(each.choices or ())}")}

Steps = Callable[[Pilot[None]], Awaitable[None]]


async def unmarked(app: FarenseApp, steps: Steps) -> set[str]:
    """The English words that are seen after `steps`."""
    async with app.run_test(size=SIZE) as pilot:
        await steps(pilot)
        await pilot.pause()
        strips = pilot.app.screen._compositor.render_strips(pilot.app.size)
        lines = ["".join(segment.text for segment in strip) for strip in strips]
    assert LETTER in "".join(lines)
    known = KNOWN | {word.lower() for word in WORD.findall(f"{app.runs_dir} {Path.cwd()}")}
    seen = {word for line in lines for word in WORD.findall(line)}
    return {word for word in seen if not any(_part(word.lower(), each) for each in known)}


def _part(word: str, known: str) -> bool:
    """Whether it is a known one, or what a dialog over it has left of that."""
    return known.startswith(word) or known.endswith(word)


def test_the_language_is_strange() -> None:
    assert language.gettext("some {thing}") == f"{LETTER * 4} {{thing}}"


@pytest.mark.parametrize("keys", [(), ("question_mark",), ("w",), ("ctrl+p",), ("d",), ("e",)])
async def test_launch(runs_dir: Path, keys: tuple[str, ...]) -> None:
    recorded.live(runs_dir)

    async def steps(pilot: Pilot[None]) -> None:
        await at_launch()(pilot)
        await pilot.press(*keys)
        await pilot.pause(1.0 if keys else 0)

    assert await unmarked(FarenseApp(runs_dir), steps) == set()


@pytest.mark.parametrize("alive", [True, False])
@pytest.mark.parametrize(
    "make", [recorded.live, recorded.paused, recorded.completed, recorded.failed]
)
@pytest.mark.parametrize(
    "keys", [(), ("x",), ("question_mark",), ("h",), ("v", "v", "v", "v", "v")]
)
async def test_monitor(
    runs_dir: Path, make: Callable[[Path], Recording], keys: tuple[str, ...], alive: bool
) -> None:
    run = make(runs_dir)

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: getattr(pilot.app.screen, "snapshot", None))
        await pilot.press(*keys)
        await pilot.pause(0.2)

    app = FarenseApp(runs_dir, run.folder)
    if not alive:
        assert await unmarked(app, steps) == set()
        return
    with held(run.folder):
        assert await unmarked(app, steps) == set()


async def test_runs(runs_dir: Path) -> None:
    recorded.completed(runs_dir)

    async def steps(pilot: Pilot[None]) -> None:
        await pilot.press("l")
        await pilot.pause(1.0)

    assert await unmarked(FarenseApp(runs_dir), steps) == set()


async def test_dialogs(runs_dir: Path) -> None:
    run = recorded.failed(runs_dir)
    snapshot = Watch(run.folder).look(run.time)
    assert snapshot.config
    for screen in (
        ChangeDialog(run.folder, snapshot.config, snapshot.state, True),
        LeaveDialog([run.folder]),
        ModelsScreen("embedded"),
        PostMortemScreen(run.folder),
    ):
        app = FarenseApp(runs_dir)

        async def steps(pilot: Pilot[None], screen: object = screen) -> None:
            pilot.app.push_screen(screen)  # type: ignore[call-overload]
            await pilot.pause(0.5)

        assert await unmarked(app, steps) == set(), screen
