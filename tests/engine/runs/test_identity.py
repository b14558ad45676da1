"""What a run is of is told by hashes and by names that hold on any machine."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import msgspec
import pytest
from farense_worker.protocol import home, model_identity, places
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.places import Places
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import replace_setting
from farense_worker.protocol.settings.profile_file import dumps

from farense_tui.engine.models.named import without_places
from farense_tui.engine.runs import data_folders, found_again, resuming, supervisor
from tests import holding
from tests.real_runs import RunMaker, finish, state_of

_COMMITS = ("0" * 40, "f" * 40)


def _flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x40]))


def test_weights_that_differ_anywhere_are_other_weights(micro: Path, tmp_path: Path) -> None:
    model = shutil.copytree(micro, tmp_path / "model")
    weights = model / "model.safetensors"
    was, words = model_identity.fingerprint(model), model_identity.tokenizer(model)
    earlier = model_identity.fingerprint(model, "0" * 64)
    assert model_identity.fingerprint(model, was) == was != earlier
    assert ":" not in earlier
    for at in (9, 20_000, weights.stat().st_size - 1):
        _flip(weights, at)
        assert model_identity.fingerprint(model) != was
        _flip(weights, at)
    assert model_identity.fingerprint(model) == was
    (model / "chat_template.jinja").write_text("{{ messages }}")
    assert model_identity.tokenizer(model) != words
    assert model_identity.fingerprint(model) == was


def test_of_large_weights_no_layer_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    weights = tmp_path / "model.safetensors"
    with weights.open("wb") as file:
        file.truncate(80 << 20)
    was = model_identity.fingerprint(tmp_path)
    for at in (30 << 20, (55 << 20) + 12_345):
        with weights.open("r+b") as file:
            file.seek(at)
            file.write(b"x" * (2 << 20))
        assert model_identity.fingerprint(tmp_path) != was
        was = model_identity.fingerprint(tmp_path)


def test_folders_are_written_down_from_the_home_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_run: RunMaker, micro: Path, data: Path
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    shutil.copytree(micro, one / "own" / "mod el")
    shutil.copytree(data, one / "rows ã")
    monkeypatch.setenv("HOME", str(one))
    assert [home.asked(each) for each in ("", "~", "~/own", "/usr")] == ["", "~", "~/own", "/usr"]
    monkeypatch.chdir(one / "own")
    run = make_run(model__repo="mod el", data__path="../rows ã", data__keep_mb=0)
    written = run.config.read_text("utf-8")
    assert 'repo = "~/own/mod el"' in written
    assert 'path = "~/rows ã"' in written
    monkeypatch.chdir("/")
    monkeypatch.setenv("HOME", str(one.rename(other)))  # another user, another machine
    here = (str(other / "own" / "mod el"), str(other / "rows ã"))
    found = found_again.config_of(run)
    assert (found.model.repo, found.data.path) == here
    alone = places.applied(run, run.read_config())  # a worker that another program starts
    assert (alone.model.repo, alone.data.path) == here
    assert found_again.remarks(run) == []
    assert data_folders.recent(run.path.parent)[0] == here[1]
    monkeypatch.setenv("HOME", "/")
    assert home.asked("/usr") == "/usr"


def test_what_moved_together_with_the_runs_is_found(
    tmp_path: Path, micro: Path, data: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(micro, project / "models" / "own")
    shutil.copytree(data, project / "rows")
    make = RunMaker(project / "runs", project / "models" / "own", project / "rows")
    make("run")
    moved = project.rename(tmp_path / "elsewhere")
    run = RunFolder(moved / "runs" / "run")
    found = found_again.config_of(run)
    assert found.model.repo == str(moved / "models" / "own")
    assert found.data.path == str(moved / "rows")
    assert found_again.remarks(run) == []
    _flip(moved / "models" / "own" / "model.safetensors", 20_000)
    with (moved / "rows" / "train.jsonl").open("a") as file:
        file.write("\n")
    found = found_again.config_of(run)
    assert found.model.repo == str(project / "models" / "own")  # which is gone
    assert found.data.path == str(project / "rows")
    with pytest.raises(FarenseError, match="there is no model") as error:
        resuming.prepare_resume(run, {})
    assert "--set model.repo=FOLDER" in error.value.hint


def test_a_revision_that_moved_on_is_not_taken_for_what_it_was(
    make_run: RunMaker, micro: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    hub = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub))
    run = make_run(model__repo="owner/name", model__revision="main")  # to be downloaded
    repo = hub / "models--owner--name"
    for commit in _COMMITS:
        shutil.copytree(micro, repo / "snapshots" / commit)
        (repo / "refs").mkdir(exist_ok=True)
        (repo / "refs" / "main").write_text(commit)
        places.found(run, repo / "snapshots" / commit)  # as a worker does; the first one holds
    assert found_again.config_of(run).model.repo == str(repo / "snapshots" / _COMMITS[0])
    found_again.write(run)
    shutil.rmtree(hub)
    assert found_again.config_of(run).model.revision == _COMMITS[0]
    for _again in range(2):  # without a network it would stay so
        found_again.write(run)
        assert places.read(run) == Places("", str(run.read_config().data.path), _COMMITS[0])
        assert places.applied(run, run.read_config()).model.revision == _COMMITS[0]


def test_a_resume_on_another_model_changes_nothing(
    make_run: RunMaker, tmp_path: Path, micro: Path, data: Path
) -> None:
    model, rows = tmp_path / "model", tmp_path / "rows"
    shutil.copytree(micro, model)
    shutil.copytree(data, rows)
    run = make_run(model__repo=str(model), data__path=str(rows), train__epochs=1)
    finish(run)
    shutil.copytree(model, tmp_path / "same")
    _flip(model / "model.safetensors", 20_000)
    before = (run.config.read_bytes(), run.events.read_bytes())
    for changes in ({"train.epochs": 2}, {"train.epochs": 2, "model.repo": str(model)}):
        with pytest.raises(FarenseError, match="would make it another run"):
            resuming.prepare_resume(run, changes)
    for place, said in ((tmp_path / "none", "not a folder"), (model, "is another model")):
        with pytest.raises(FarenseError) as error:
            resuming.prepare_resume(run, {"model.repo": str(place)})
        assert said in error.value.detail
    assert (run.config.read_bytes(), run.events.read_bytes()) == before
    assert "is not what the run was trained on" in found_again.remarks(run)[0]

    # One that only its worker refuses leaves it complete, and what it was asked for is asked again.
    assert not resuming.prepare_resume(run, {"model.repo": str(tmp_path / "same")})
    text = (rows / "train.jsonl").read_text()
    (rows / "train.jsonl").write_text(text.replace("É ele", "É ela"))
    assert "the data in" in found_again.remarks(run)[0]
    assert resuming.prepare_resume(run, {"train.epochs": 2})
    assert supervisor.launch(run).wait() == ExitCode.REFUSED
    assert state_of(run).status == "completed"
    (rows / "train.jsonl").write_text(text)
    assert resuming.prepare_resume(run, {"train.epochs": 2})
    tokenizer = tmp_path / "same" / "tokenizer_config.json"
    tokenizer.write_text(tokenizer.read_text().replace("<|assistant|>", "<|other|>"))
    assert "chat template" in found_again.remarks(run)[0]


def test_a_run_goes_on_without_the_adapter_that_it_began_with(
    make_run: RunMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_run("first", train__epochs=1, lora__dropout=0.0)
    finish(first)
    monkeypatch.chdir(first.path)
    run = make_run("run", model__adapter="adapters", lora__dropout=0.0)
    assert run.read_config().model.adapter == str(first.adapters)
    holding.kill_at(run, '"type":"checkpoint"')
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(first.path)
    finish(run)
    shutil.copytree(run.path, tmp_path / "other")
    for checkpoint in (other := RunFolder(tmp_path / "other")).checkpoints():
        os.truncate(checkpoint.path / "adapters.safetensors", 10)
    assert supervisor.launch(other).wait() == ExitCode.REFUSED
    failure = state_of(other).failure
    assert failure
    assert "there is no adapter" in failure.title


def test_what_is_given_away_names_no_folder_of_this_machine(make_run: RunMaker) -> None:
    config = make_run().read_config()
    for name in ("model.repo", "model.fallback", "model.adapter", "data.path", "run.hosts"):
        for path in ("/Users/somebody/own", "~/own", "/Users/somebody/own/"):
            config = replace_setting(config, name, path)
            found = without_places(config)
            section, key = name.split(".")
            assert getattr(getattr(found, section), key) == "own"
    assert "somebody" not in dumps(without_places(config))
    config = replace_setting(config, "model.repo", "owner/name")
    assert without_places(config).model.repo == "owner/name"
    assert json.loads(msgspec.json.encode(without_places(config)))["data"]["path"] == "own"


@pytest.mark.skipif(sys.platform != "linux", reason="has no file that cannot be read")
def test_no_run_is_begun_without_the_hashes_that_it_is_known_by(
    make_run: RunMaker, tmp_path: Path
) -> None:
    """One error of the disk, and a run was not found again after its model had moved."""
    model = shutil.copytree(make_run.model, tmp_path / "m")
    (model / "merges.txt").symlink_to("/proc/self/mem")
    with pytest.raises(FarenseError, match="cannot read") as caught:
        make_run(model__repo=str(model))
    assert "merges.txt" in caught.value.title
    assert not (make_run.folder / "run").exists()
