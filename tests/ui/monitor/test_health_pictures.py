"""Pictures of the health card, its dialog, and the page on what happened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Input

from farense_tui.engine.health import Finding
from farense_tui.engine.health.remedies import KILL, STACKS, STOP
from farense_tui.engine.runs.watch import Watch
from farense_tui.ui.app import FarenseApp
from farense_tui.ui.monitor.change import ChangeDialog
from farense_tui.ui.monitor.health import HealthDialog
from farense_tui.ui.monitor.health_card import HealthCard
from farense_tui.ui.monitor.post_mortem import PostMortemScreen
from tests.ui import recorded
from tests.ui.runs.test_screen import Bare
from tests.ui.waiting import until

Compare = Callable[..., bool]
FINDINGS = (
    Finding("deaf", "alarm", "the worker does not heed the request to stop",
            "asked 1:13 ago, it is still in the phase training",
            "Kill it. The newest checkpoint is sound; a resume goes on from there.", KILL),
    Finding("overfitting", "warning", "it is overfitting [b]",
            "validation 0.785 at step 200, 1.056 now; training 0.740, 0.192 now",
            "The adapter of step 200 is kept as the best one.", STOP),
    Finding("first-step", "note", "the first step takes long", "nothing for 1:10 since it began",
            "It is compiled for the first time, which may take minutes.", STACKS),
    Finding("cpu", "warning", "it trains on the CPU", "MLX computes on cpu (Apple M1)",
            "MLX has found no GPU."),
)  # fmt: skip


class Cards(App[None]):
    """The card at each height that the monitor gives it."""

    CSS = "HealthCard { height: auto; margin-bottom: 1; }"

    def compose(self) -> ComposeResult:
        for height in (1, 2, 3, 6, 12):
            card = HealthCard()
            card.styles.max_height = height
            card.findings = FINDINGS
            yield card


@pytest.mark.parametrize("size", [(60, 30), (120, 30)], ids=str)
def test_cards(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(Cards(), terminal_size=size)


@pytest.mark.parametrize("size", [(60, 16), (120, 36)], ids=str)
def test_dialog(snap_compare: Compare, runs_dir: Path, size: tuple[int, int]) -> None:
    app: FarenseApp = Bare(runs_dir)

    async def steps(pilot: Pilot[None]) -> None:
        app.push_screen(HealthDialog(FINDINGS, alive=True))
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=steps)


@pytest.mark.parametrize("size", [(60, 16), (120, 36)], ids=str)
def test_post_mortem(
    snap_compare: Compare,
    tmp_path: Path,
    runs_dir: Path,
    size: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # paths on the page are those from here
    run = recorded.failed(tmp_path)
    app: FarenseApp = Bare(runs_dir)

    async def steps(pilot: Pilot[None]) -> None:
        page = PostMortemScreen(run.folder)
        app.push_screen(page)
        await until(pilot, lambda: len(page.query(".part")) > 4)
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=steps)


@pytest.mark.parametrize("rate", ["0.0001", "fast"])
def test_change(snap_compare: Compare, tmp_path: Path, runs_dir: Path, rate: str) -> None:
    run = recorded.live(tmp_path)
    app: FarenseApp = Bare(runs_dir)
    watch = Watch(run.folder).look(run.time)
    assert watch.config
    dialog = ChangeDialog(run.folder, watch.config, watch.state, True)

    async def steps(pilot: Pilot[None]) -> None:
        app.push_screen(dialog)
        await pilot.pause()
        field = dialog.query_one(Input)
        field.cursor_blink = False
        field.value = rate
        await pilot.pause()

    assert snap_compare(app, terminal_size=(60, 16), run_before=steps)
