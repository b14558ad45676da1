"""Runs beside each other: marked in the list, overlaid, with what differs."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from farense_worker.protocol.run_folder import RunFolder
from msgspec import structs
from textual.pilot import Pilot

from farense_tui.engine.runs.comparison import differences, results
from farense_tui.engine.runs.watch import Watch
from farense_tui.ui.charts.chart import CURVES, Chart
from farense_tui.ui.common.dialogs import ErrorDialog
from farense_tui.ui.runs.compare import CompareScreen
from farense_tui.ui.runs.run_table import RunTable
from farense_tui.ui.runs.screen import RunsScreen
from tests import out_of_reach
from tests.ui import recorded
from tests.ui.conftest import NOW, in_sizes_and_themes, text_of
from tests.ui.runs.test_screen import Bare
from tests.ui.waiting import until


async def opened(pilot: Pilot[None], app: Bare, runs: list[RunFolder]) -> CompareScreen:
    """The comparison, when all of it is drawn."""
    app.open_comparison(runs)
    await until(pilot, lambda: isinstance(app.screen, CompareScreen))
    screen = app.screen
    assert isinstance(screen, CompareScreen)
    await until(pilot, lambda: screen.runs and all(run.read == 1 for run in screen.runs))
    await until(pilot, lambda: not screen.chart._throttle.waiting)
    return screen


@contextlib.asynccontextmanager
async def compared(
    runs: list[RunFolder], size: tuple[int, int] = (120, 36)
) -> AsyncIterator[tuple[Pilot[None], CompareScreen]]:
    app = Bare(runs[0].path.parent)
    async with app.run_test(size=size) as pilot:
        yield pilot, await opened(pilot, app, runs)


def test_a_run_is_named_as_in_the_list(runs_dir: Path, tmp_path: Path) -> None:
    runs = [recorded.completed(runs_dir).folder, recorded.overfitted(tmp_path / "other").folder]
    state, *_rest = results([Watch(run).look(NOW) for run in runs])
    assert state.values == ("completed", "overfitted")


def test_losses_over_other_labels_are_no_race_and_folders_of_one_name_are_told_apart(
    runs_dir: Path,
) -> None:
    runs = [Watch(folder).look(NOW) for folder in recorded.comparable(runs_dir)[:2]]
    assert results(runs)[2].best is not None
    one, other = runs
    assert one.config
    assert other.config
    assert other.state.best
    best = structs.replace(other.state.best, tokens=other.state.best.tokens + 1)
    other = replace(
        other,
        state=structs.replace(other.state, best=best),
        config=structs.replace(
            other.config,
            data=structs.replace(other.config.data, path="/new/rows"),
            model=structs.replace(other.config.model, repo="b/Qwen"),
        ),
    )
    one = replace(
        one,
        config=structs.replace(
            one.config,
            data=structs.replace(one.config.data, path="/old/rows"),
            model=structs.replace(one.config.model, repo="a/Qwen"),
        ),
    )
    found = {row.label: row for row in results([one, other])}
    assert found["best validation"].best is None
    assert len(set(found["labels of it"].values)) == 2
    told = {row.label: row.values for row in differences([one, other])}
    assert told["data.path"] == ("old/rows", "new/rows")
    assert told["model.repo"] == ("a/Qwen", "b/Qwen")
    assert told["train.learning_rate"] == ("0.0002", "0.0004")


async def test_each_run_has_a_sign_a_colour_and_a_column(runs_dir: Path) -> None:
    runs = recorded.comparable(runs_dir)
    async with compared(runs) as (_, screen):
        text = text_of(screen)
        chart = screen.chart
        cells = [(x, y) for x in range(8, chart.size.width) for y in range(1, chart.size.height)]
        for sign, run in zip("abc", runs, strict=True):
            assert f"{sign} {run.name}" in text
            assert any(chart.get_pixel(x, y)[0] == sign for x, y in cells)
        styles = {chart.get_pixel(x, y)[1] for x, y in cells if chart.get_pixel(x, y)[0] in "abc"}
        assert len(styles) == 3
    assert "lora.rank" in text
    assert "train.learning_rate" in text
    assert "train.seed" not in text


@pytest.mark.usefixtures("lasting")
async def test_a_run_that_another_deletes_meanwhile_is_told_and_still_shown(runs_dir: Path) -> None:
    first, second, *_rest = recorded.comparable(runs_dir)
    app = Bare(runs_dir)
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        screen = await opened(pilot, app, [first, second])
        with pytest.MonkeyPatch.context() as patch:
            out_of_reach.failing(patch, second.path)  # which is a moment's error, and no news
            first_look = screen.runs
            await until(pilot, lambda: screen.runs is not first_look)
            second_look = screen.runs
            await until(pilot, lambda: screen.runs is not second_look)
        assert not app._notifications
        shutil.rmtree(second.path)
        await until(
            pilot, lambda: any("was deleted" in each.message for each in app._notifications)
        )
        assert f"b {second.name}" in text_of(screen)


async def test_the_crosshair_reads_out_every_run_that_got_so_far(runs_dir: Path) -> None:
    async with compared(recorded.comparable(runs_dir)) as (pilot, screen):
        await pilot.press("x")
        first = text_of(screen).splitlines()[0].split()
        assert first[:2] == ["step", "600"]
        assert first[2::2] == ["a", "b"]
        for subject in screen.SUBJECTS[1:]:
            await pilot.press("v")
            assert screen.subject == subject
        await pilot.press("v", "f", "x")
        assert screen.subject == "loss"
        assert "best validation" not in text_of(screen)


async def test_figures_are_copied_and_the_picture_is_kept(runs_dir: Path) -> None:
    async with compared(recorded.comparable(runs_dir)) as (pilot, screen):
        await pilot.press("x", "y")
        assert screen.app.clipboard.startswith("step 600\ta ")
        for number in (1, 2):  # the second never takes the place of the first
            await pilot.press("Y")
            kept = runs_dir / f"comparison-loss-{number}.svg"
            await until(pilot, lambda: kept.is_file() and kept.read_text().endswith("</svg>"))  # noqa: B023
            assert "600" in "".join(ElementTree.parse(kept).getroot().itertext()).replace("\n", "")


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (200, 50)], ids=str)
async def test_nothing_is_cut_off_at_any_size(runs_dir: Path, size: tuple[int, int]) -> None:
    async with compared(recorded.comparable(runs_dir), size) as (_, screen):
        text = text_of(screen)
        assert screen.query_one(Chart).size.height >= 4
    for what in ("a demo-1", "best validation", "0.4582", "overfitted", "Back"):
        assert what in text


def test_what_differs_and_who_is_ahead(tmp_path: Path) -> None:
    runs = [Watch(folder).look(NOW) for folder in recorded.comparable(tmp_path)]
    assert [row.label for row in differences(runs)] == ["train.learning_rate", "lora.rank"]
    best = next(row for row in results(runs) if row.label == "best validation")
    assert best.best == 1
    assert best.values[1] == min(best.values)
    assert differences(runs[:1]) == []
    (runs[0].folder.config).write_text("[train")
    unreadable = [Watch(run.folder).look(NOW) for run in runs]
    assert [row.values[0] for row in differences(unreadable)] == ["—", "—"]


def test_nobody_is_ahead_by_a_loss_on_other_rows(tmp_path: Path) -> None:
    runs = [Watch(folder).look(NOW) for folder in recorded.comparable(tmp_path)]
    best = runs[1].state.best
    assert best
    others = structs.replace(runs[1].state, best=structs.replace(best, tokens=best.tokens + 1))
    row = results([runs[0], replace(runs[1], state=others), runs[2]])[2]
    assert (row.label, row.best) == ("best validation", None)
    alone = structs.replace(others, best=None)  # whoever has none is compared with nobody
    assert results([runs[0], replace(runs[1], state=alone), runs[2]])[2].best is not None


def test_a_setting_that_was_changed_on_the_way_has_both_values(tmp_path: Path) -> None:
    one, other = recorded.Recording(tmp_path, name="one"), recorded.Recording(tmp_path, name="two")
    for after, rate in ((0, 4e-3), (20, 2e-4)):  # the second is what config.toml has
        one.start(after, {"train.learning_rate": rate})
        one.train(after + 20)
    other.start(0, {"train.learning_rate": 2e-4})
    other.train(40)
    runs = [Watch(run.folder).look(NOW) for run in (one, other)]
    told = {row.label: row.values for row in differences(runs)}
    assert told == {"train.learning_rate": ("0.004 → 0.0002", "0.0002")}


async def test_marked_runs_are_compared(runs_dir: Path) -> None:
    recorded.comparable(runs_dir)
    app = Bare(runs_dir)
    async with app.run_test(size=(100, 30)) as pilot:
        app.open_runs()
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        table = app.screen.query_one(RunTable)
        await until(pilot, lambda: table.row_count == 3)
        await pilot.press("c")
        assert isinstance(app.screen, RunsScreen)
        await pilot.press("space", "c")  # the marked runs, and not the one under the cursor
        assert len(table.marked) == 1
        assert isinstance(app.screen, RunsScreen)
        await pilot.press("space", "c")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen))
        await pilot.press("escape")
        assert isinstance(app.screen, RunsScreen)


async def test_more_runs_than_can_be_told_apart_are_refused(runs_dir: Path) -> None:
    app = Bare(runs_dir)
    async with app.run_test() as pilot:
        app.open_comparison([RunFolder(runs_dir / str(n)) for n in range(len(CURVES) + 1)])
        await until(pilot, lambda: isinstance(app.screen, ErrorDialog))


@in_sizes_and_themes
def test_comparison(
    snap_compare: Callable[..., bool],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
    theme: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = recorded.comparable(Path("runs"))
    app = Bare(Path("runs"))

    async def steps(pilot: Pilot[None]) -> None:
        app.theme = theme
        await opened(pilot, app, runs)

    assert snap_compare(app, terminal_size=size, run_before=steps)
