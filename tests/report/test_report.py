"""The report of real runs: its files, its page, and who writes it."""

from __future__ import annotations

import html.parser
import json
import os
from pathlib import Path

import pytest
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.messages import events
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.cli import main
from farense_tui.engine.record.record import state_of
from farense_tui.engine.record.state import fold
from farense_tui.engine.runs import folders, supervisor
from farense_tui.report import make
from farense_tui.report.page import page
from tests import holding, real_runs
from tests.real_runs import RunMaker
from tests.ui import recorded
from tests.waiting import until

FILES = {
    "training_metrics.csv",
    "training_metrics.json",
    "training_summary.json",
    "report.html",
    "plots/loss_curves.png",
    "plots/learning_rate.png",
}


@pytest.fixture
def trained(make_run: RunMaker) -> RunFolder:
    run = make_run("one", report__prompts=("Quem <b>é</b>?",))
    real_runs.finish(run)
    return run


def test_a_report_that_has_no_room_leaves_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report.html").write_text("before")

    def full(self: Path, _to: object) -> None:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        make._write(tmp_path / "report.html", b"now")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"report.html": "before"}


def test_the_command_writes_all_of_it(
    trained: RunFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    runs_dir = ["--runs-dir", str(trained.path.parent)]
    assert main(["report", "one", *runs_dir]) == ExitCode.DONE
    listed = capfd.readouterr().out.splitlines()
    there = {str(path.relative_to(trained.path)) for path in map(Path, listed)}
    assert there >= FILES
    for name in there:
        assert (trained.path / name).stat().st_size > 100, name
        if name.endswith("png"):
            assert (trained.path / name).read_bytes().startswith(b"\x89PNG")
    state = real_runs.state_of(trained)
    summary = json.loads((trained.path / "training_summary.json").read_text())
    assert (summary["status"], summary["step"]) == ("completed", state.total_steps)
    assert state.best is not None
    assert summary["best_validation"]["loss"] == state.best.loss
    metrics = json.loads((trained.path / "training_metrics.json").read_text())
    assert metrics["steps"]["loss"] == [loss for _, loss in state.loss]
    assert not list(trained.path.glob(".*.tmp"))

    # nothing new: nothing to do
    assert main(["report", "one", "--update", *runs_dir]) == ExitCode.DONE
    assert capfd.readouterr().out == ""


def test_a_report_is_handed_on_without_this_machine_s_folders(trained: RunFolder) -> None:
    config, home = trained.read_config(), str(Path.home())
    rows, model = (str(Path(each)) for each in (config.data.path, config.model.repo))
    with trained.events.open("a", encoding="utf-8") as file:
        said = f"{rows}/train.jsonl:3 {home}/x {model} {trained.path}/adapters"
        notice = events.Notice(level="warning", code="x", message=said, hint=said, seq=9999)
        failed = events.RunFailed(kind="k", title=said, detail=said, hint=said, step=1, seq=10_000)
        file.writelines(events.encode(each).decode() + "\n" for each in (notice, failed))
    for path in make.make(trained):
        text = path.read_bytes().decode("utf-8", "replace")
        assert not [each for each in (rows, model, str(trained.path), f"{home}/") if each in text]
    assert "data0/train.jsonl:3 ~/x micro one/adapters" in trained.report.read_text("utf-8")


def test_the_page_stands_by_itself_and_its_text_is_text(trained: RunFolder) -> None:
    state = real_runs.state_of(trained)
    evil = "<img src=x onerror=alert(1)>\u202e\x1b[2J"
    for event in (
        events.Sample(step=1, prompt=evil, text=f"{evil}\n{evil}"),
        events.Notice(level="warning", code="x", message=evil, hint=evil),
        events.RunFailed(kind="k", title=evil, detail=evil, hint=evil, step=1),
    ):
        state = fold([event], state)
    text = page("one", trained.read_config(), state, "failed")
    assert "<img" not in text
    assert "\u202e" not in text
    assert "\x1b" not in text
    tags = _Tags()
    tags.feed(text)
    assert not tags.open
    assert not {"script", "link", "iframe", "object"} & tags.seen
    assert "src" not in tags.attributes
    assert "href" not in tags.attributes


class _Tags(html.parser.HTMLParser):
    """Which tags and attributes there are, and which tags are left open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_run_whose_launcher_does_nothing_more_has_its_report_too(make_run: RunMaker) -> None:
    run = make_run("alone", report__at_end=True)
    real_runs.finish(run)
    assert supervisor.wait_for_report(run)
    assert make.is_current(run)
    assert "completed" in (run.path / "report.html").read_text()


def test_a_report_that_cannot_be_written_changes_nothing_about_the_run(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("blocked", report__at_end=True)
    (run.path / "plots").write_text("a file is in the way")
    state = real_runs.finish(run)
    assert state.status == "completed"
    until(lambda: "cannot write" in run.log.read_text())


def test_a_run_that_is_killed_and_resumed_shows_where(make_run: RunMaker) -> None:
    run = make_run("killed")
    holding.kill_at(run, 9)
    make.make(run)
    assert "killed" in (run.path / "report.html").read_text()
    real_runs.finish(run)
    make.update(run)
    text = (run.path / "report.html").read_text()
    assert "completed" in text
    assert "in 2 pieces" in text
    assert ">resumed</text>" in text


def test_a_run_without_a_step_is_refused(
    make_run: RunMaker, capfd: pytest.CaptureFixture[str]
) -> None:
    run = make_run("new")
    assert main(["report", "new", "--runs-dir", str(run.path.parent)]) == ExitCode.REFUSED
    assert "has not taken a step" in capfd.readouterr().err
    assert {path.name for path in run.path.iterdir()} == {"config.toml"}


def test_a_record_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Where it failed in the middle, the report told of the half, or of no step at all."""
    os.mkfifo(tmp_path / "events.jsonl")
    with pytest.raises(FarenseError, match=r"cannot read events\.jsonl"):
        make.update(RunFolder(tmp_path))


def test_a_run_can_be_deleted_once_its_report_is_written(trained: RunFolder) -> None:
    make.make(trained)
    folders.delete(trained)
    assert not trained.path.exists()


def test_a_resume_with_other_settings_says_what_was_changed(tmp_path: Path) -> None:
    run = recorded.Recording(tmp_path)
    for after, rate in ((0, 2e-4), (60, 1e-4)):
        run.start(after, {"train.learning_rate": rate})
        run.train(after + 60)
    text = page("x", None, state_of(run.folder), "stopped")
    assert "Δ resumed after step 60 with learning_rate 0.0002 → 0.0001" in text
    assert "<title>learning_rate 0.0002 → 0.0001</title>" in text
    assert ">resumed</text>" not in text
