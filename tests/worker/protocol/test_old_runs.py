"""Run folders as older versions wrote them, and one as a newer version might.

The folders in old_runs were written by the code of the commits that are named below, on the model
and the data that the fixtures make again; only the two paths in config.toml are put in here.
"""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings import upgrade
from farense_worker.protocol.settings.profile_file import parse_config

from farense_tui.cli import main
from farense_tui.engine.record import record
from farense_tui.engine.runs import describe, resuming
from tests import micro_model, real_runs

HERE = Path(__file__).parent / "old_runs"
# The folder, the commit that wrote it, and what its checkpoints did not hold yet.
OLD = {
    "first": "c70d5f9",  # no recipe and no digest of the model, 25 settings
    "before-dtype": "9443f4b",  # no model.dtype, train.trunk_cache, memory.limit_gb and others
}
OldRun = Callable[[str], RunFolder]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model and the data that the old runs were trained on."""
    place = tmp_path_factory.mktemp("old")
    micro_model.make(place / "model", layers=1, hidden=16, heads=2)
    (place / "data").mkdir()
    for split, count in (("train", 12), ("valid", 3), ("test", 3)):
        rows = [
            {
                "messages": [
                    {"role": "user", "content": f"Quem é o {n}?"},
                    {"role": "assistant", "content": "É ele. " * (1 + n % 3) + str(n)},
                ]
            }
            for n in range(count)
        ]
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (place / "data" / f"{split}.jsonl").write_text(text, encoding="utf-8")
    return place


@pytest.fixture
def old_run(place: Path, tmp_path: Path) -> OldRun:
    """Put an old run folder where it can be worked with."""

    def put(name: str) -> RunFolder:
        run = RunFolder(tmp_path / "runs" / name)
        shutil.copytree(HERE / name, run.path)
        text = run.config.read_text(encoding="utf-8")
        text = text.replace("@MODEL@", str(place / "model")).replace("@DATA@", str(place / "data"))
        run.config.write_text(text, encoding="utf-8")
        return run

    return put


@pytest.mark.parametrize("name", OLD)
def test_an_old_run_is_read_with_the_defaults_of_its_time(name: str, old_run: OldRun) -> None:
    run = old_run(name)
    config = run.read_config()
    assert config.model.dtype == "model"
    assert config.train.rollbacks == 2
    assert config.report.trackers == ()
    summary = describe.summarise(run)
    assert (summary.status, summary.state.step, summary.resume_step) == ("completed", 6, 6)
    assert len(summary.state.validations) == 3
    assert len(summary.state.loss) == 6


@pytest.mark.parametrize("name", OLD)
def test_an_old_run_is_asked_measured_reported_and_exported(
    name: str, old_run: OldRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = old_run(name)
    best = record.state_of(run).best
    assert best is not None
    for command in (
        ["evaluate", str(run.path), "--json", "--split", "valid"],
        ["ask", str(run.path), "Quem é o 1?"],
        ["report", str(run.path)],
        ["track", str(run.path), "--to", "tensorboard"],
        ["export", str(run.path), "--to", str(tmp_path / "out"), "--fuse"],
    ):
        assert main(command) == 0
        said = capsys.readouterr().out
        if command[0] == "evaluate":  # the adapter is what it was
            assert json.loads(said)["scores"][1]["loss"] == pytest.approx(best.loss, rel=1e-5)
    assert (run.path / "report.html").is_file()
    assert (tmp_path / "out" / "model" / "config.json").is_file()


@pytest.mark.parametrize("name", OLD)
def test_an_old_run_goes_on(name: str, old_run: OldRun) -> None:
    run = old_run(name)
    before = record.state_of(run)
    resuming.prepare_resume(run, {"train.epochs": 3})
    after = real_runs.finish(run)
    assert after.segments[-1].resumed_from_step == 6
    assert after.step == 9
    assert list(after.loss)[:6] == list(before.loss)
    assert after.loss.last is not None
    assert after.loss.last < (before.loss.last or 0)
    assert tomllib.loads(run.config.read_text())["model"]["dtype"] == "model"


@pytest.mark.parametrize("name", OLD)
def test_an_old_run_of_another_model_is_refused_where_that_can_be_seen(
    name: str, old_run: OldRun, place: Path, tmp_path: Path
) -> None:
    run = old_run(name)
    other = micro_model.make(tmp_path / "other", layers=1, hidden=16, heads=2, gain=2.0)
    text = run.config.read_text(encoding="utf-8").replace(str(place / "model"), str(other))
    run.config.write_text(text.replace("epochs = 2", "epochs = 3"), encoding="utf-8")
    state = json.loads((next(run.path.glob("checkpoint_*")) / "state.json").read_text())
    if "model" in state:
        with pytest.raises(AssertionError, match="the model is not what it was"):
            real_runs.finish(run)
    else:  # it was not written down
        assert real_runs.finish(run).step == 9


def newer(run: RunFolder, **changes: object) -> None:
    """Change the [run] section, as a newer version might have written it."""
    text = run.config.read_text(encoding="utf-8")
    for key, value in changes.items():
        before = next(line for line in text.splitlines() if line.startswith(f"{key} = "))
        text = text.replace(before, f"{key} = {value}")
    run.config.write_text(text, encoding="utf-8")


def test_a_newer_format_is_refused_with_both_versions(
    old_run: OldRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = old_run("before-dtype")
    newer(run, format=upgrade.FORMAT + 1, app_version='"9.8.7"')
    run.config.write_text(run.config.read_text() + "\n[cloud]\nregion = 1\n")
    before = sorted(run.path.rglob("*"))
    for command in (
        ["resume", str(run.path)],
        ["attach", str(run.path)],
        ["evaluate", str(run.path)],
        ["ask", str(run.path), "?"],
        ["report", str(run.path)],
        ["track", str(run.path), "--to", "tensorboard"],
        ["export", str(run.path), "--to", str(tmp_path / "out")],
    ):
        assert main(command) == 3, command
        said = capsys.readouterr().err
        assert "is of a newer farense-tui" in said
        assert "written by a newer farense-tui (9.8.7, format 2)" in said
        assert f"this is {metadata.version('farense-tui')}," in said
        assert "pipx upgrade" in said
        assert "unknown section" not in said
    assert sorted(run.path.rglob("*")) == before
    runs_dir = ["--runs-dir", str(run.path.parent)]
    assert main(["runs", *runs_dir]) == 0  # it is listed all the same
    said = capsys.readouterr().out
    assert said.startswith("before-dtype ")
    assert "written by a newer farense-tui (9.8.7, format 2)" in said
    assert main(["runs", "--json", *runs_dir]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert "of a newer farense-tui: It was written by" in listed["fault"]
    assert not describe.summarise(run).resumable


def test_a_setting_that_a_newer_version_added_is_told_with_that_version(old_run: OldRun) -> None:
    run = old_run("before-dtype")
    newer(run, app_version='"9.8.7"')
    text = run.config.read_text().replace("[train]\n", '[train]\nfuture = "on"\n')
    with pytest.raises(FarenseError, match="1 fault") as caught:
        parse_config(text, "config.toml")
    assert "unknown key train.future" in caught.value.detail
    assert "written by farense-tui 9.8.7" in caught.value.hint


def test_a_renamed_setting_is_read_under_its_new_name(
    old_run: OldRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = old_run("first")
    monkeypatch.setitem(upgrade.RENAMED, "train.steps_of_warmup", "train.warmup_steps")
    text = run.config.read_text().replace("warmup_steps = 2", "steps_of_warmup = 2")
    assert parse_config(text, "config.toml").train.warmup_steps == 2


def test_an_older_run_keeps_its_warm_up(old_run: OldRun) -> None:
    for name in ("first", "before-dtype"):
        text = old_run(name).config.read_text()
        assert parse_config(text, "config.toml").train.warmup_cap == 0


def test_what_is_in_the_tables_exists() -> None:
    from farense_worker.protocol.settings.fields import CONFIG_SETTINGS, setting

    for name in (*upgrade.RENAMED.values(), *upgrade.BEFORE):
        assert setting(name).name == name
    for name, value in upgrade.BEFORE.items():
        assert setting(name).parse(value) == value
    for old in upgrade.RENAMED:
        section, _, key = old.partition(".")
        assert key not in CONFIG_SETTINGS.get(section, {})
