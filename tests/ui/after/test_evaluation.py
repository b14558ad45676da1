"""A finished run measured from its monitor: a real worker measures."""

from __future__ import annotations

import shutil
from pathlib import Path

from farense_worker.protocol.messages.evaluation import Report, Score
from farense_worker.protocol.run_folder import RunFolder
from textual.widgets import Static

from farense_tui.engine.tasks import evaluation
from farense_tui.ui.after.evaluation import EvaluationScreen
from farense_tui.ui.ask.screen import AskScreen
from farense_tui.ui.common.dialogs import AskDialog, ErrorDialog
from farense_tui.ui.monitor.screen import MonitorScreen
from tests import real_runs
from tests.real_runs import RunMaker
from tests.ui import recorded
from tests.ui.conftest import StandIn, text_of
from tests.ui.runs.test_screen import Bare
from tests.ui.waiting import until


async def test_a_finished_run_is_measured_and_what_was_found_is_kept(make_run: RunMaker) -> None:
    data = make_run.folder.parent / "data"
    shutil.copytree(make_run("other").read_config().data.path, data)
    shutil.copy(data / "valid.jsonl", data / "test.jsonl")
    run = make_run("one", data__path=str(data))
    real_runs.finish(run)
    app = Bare(run.path.parent)
    async with app.run_test(size=(120, 36)) as pilot:
        app.open_run(run)
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        monitor = app.screen
        assert isinstance(monitor, MonitorScreen)
        await until(pilot, lambda: monitor.end is not None)
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, EvaluationScreen))
        screen = app.screen
        assert isinstance(screen, EvaluationScreen)
        await until(pilot, lambda: screen.report is not None, 120)
        await pilot.pause()
        shown = text_of(screen)
        kept = evaluation.kept(run)
        assert kept is not None
        for row in evaluation.table(kept):
            assert all(cell in shown for cell in row[:-1])
        for title, rows in evaluation.changed(kept, kept.scores[1]):
            assert title in shown or len(rows) > 5
        await pilot.press("escape")
        shutil.rmtree(run.adapters)  # now only what was kept can be shown
        app.open_evaluation(run)
        await until(pilot, lambda: isinstance(app.screen, EvaluationScreen))
        again = app.screen
        assert isinstance(again, EvaluationScreen)
        assert again.report == kept
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, ErrorDialog))
        assert "no adapter yet" in text_of(app.screen)
        assert again.report == kept


async def test_what_was_measured_is_shown_without_a_question(
    runs_dir: Path, tmp_path: Path, stand_in: StandIn
) -> None:
    run = recorded.completed(runs_dir).folder
    scores = tuple(
        Score(name=name, model="m", loss=1.0, perplexity=2.7, tokens=9) for name in ("", run.name)
    )
    report = Report(
        data="gone", split="test", time=1.0, max_tokens=9, scores=scores, rows=(), measured=3
    )
    evaluation.keep(report, [run])
    other = recorded.live(tmp_path / "elsewhere").folder.path.rename(runs_dir / "other")
    stand_in(RunFolder(other))
    app = Bare(runs_dir)
    async with app.run_test(size=(100, 30)) as pilot:
        app.open_evaluation(run)
        await until(pilot, lambda: isinstance(app.screen, EvaluationScreen))
        screen = app.screen
        assert "base model" in text_of(screen)
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen)
        assert "base model" in text_of(screen)


async def test_the_own_copy_of_data_that_is_gone_is_told(make_run: RunMaker) -> None:
    data = make_run.folder.parent / "rows"
    shutil.copytree(make_run("other").read_config().data.path, data)
    shutil.copy(data / "valid.jsonl", data / "test.jsonl")
    run = make_run("one", data__path=str(data), data__keep_mb=4)
    real_runs.finish(run)
    shutil.rmtree(data)
    app = Bare(run.path.parent)
    async with app.run_test(size=(100, 30)) as pilot:
        app.open_ask([run])
        await until(pilot, lambda: isinstance(app.screen, AskScreen))
        assert "own copy" in str(app.screen.query_one("#reference", Static).render())
        await pilot.press("escape")
        app.open_evaluation(run)
        await until(pilot, lambda: isinstance(app.screen, EvaluationScreen))
        screen = app.screen
        assert isinstance(screen, EvaluationScreen)
        told = screen.query_one("#measured", Static)
        await until(pilot, lambda: "own copy" in str(told.render()) or screen.report)
        await until(pilot, lambda: screen.report is not None, 120)
        assert "own copy" in str(told.render())
