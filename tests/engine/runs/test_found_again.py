"""A run whose model, data or program are somewhere else than when it was begun."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import msgspec
import pytest
from farense_worker.protocol import model_identity, places
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.messages import events as e
from farense_worker.protocol.messages.events import encode
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Data, Model, replace_setting
from farense_worker.protocol.settings.profile_file import dumps

from farense_tui.engine.models.assets import embedded_data, embedded_model
from farense_tui.engine.record.state import fold
from farense_tui.engine.runs import found_again, played, resuming, supervisor
from tests import holding, out_of_reach
from tests.real_runs import RunMaker, finish, state_of

_OLD = "/opt/old/lib/python3.11/site-packages/farense_tui/assets/data"
_COMMIT = "0123456789abcdef0123456789abcdef01234567"
_STARTED = e.Phase(name="starting")
_COMPLETED = e.RunStopped(reason="completed", step=9)
_REFUSED = e.RunFailed(kind="run_changed", title="no", detail="", hint="", step=0)


def test_what_travels_with_the_program_is_found_in_any_installation(make_run: RunMaker) -> None:
    folder = make_run(data__keep_mb=0)
    config = folder.read_config()
    config = replace_setting(config, "model.repo", f"{_OLD}/tiny-chat-pt")
    config = replace_setting(config, "data.path", f"{_OLD}/farense")
    folder.config.write_text(dumps(config))
    found = found_again.config_of(folder)
    assert Path(found.model.repo) == embedded_model().resolve()
    assert Path(found.data.path) == embedded_data().resolve()
    resuming.prepare_resume(folder, {})
    found_again.write(folder)
    assert folder.read_config() == config  # what was asked for stays
    assert places.applied(folder, config) == found


def test_a_cached_model_is_found_in_another_cache(
    make_run: RunMaker, tmp_path: Path, micro: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    gone = f"/Users/other/hub/models--owner--name/snapshots/{_COMMIT}"
    folder = make_run()
    config = replace_setting(folder.read_config(), "model.repo", gone)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    found = found_again.located(folder, config).model
    assert (found.repo, found.revision) == ("owner/name", _COMMIT)  # to be downloaded
    snapshot = tmp_path / "hub" / "models--owner--name" / "snapshots" / _COMMIT
    shutil.copytree(micro, snapshot)
    assert found_again.located(folder, config).model.repo == str(snapshot)


def test_what_is_there_and_what_nobody_knows_stay_as_they_are(
    make_run: RunMaker, micro: Path, data: Path
) -> None:
    folder = make_run(data__keep_mb=0)
    config = folder.read_config()
    for model in (Model(repo=str(micro)), Model(repo="/gone/own-model"), Model(repo="a/b")):
        assert found_again._model(msgspec.structs.replace(config, model=model), folder) == model
    for rows in (Data(path=str(data)), Data(path="/gone/rows")):
        assert found_again._data(rows, folder.read_config().run.data_sha256, folder) == rows


def test_a_refused_resume_leaves_a_complete_run_complete() -> None:
    state = fold([_STARTED, _COMPLETED, _STARTED, _REFUSED])
    assert state.status == "completed"
    assert state.stopped == _COMPLETED
    assert state.failure == _REFUSED
    stopped = e.RunStopped(reason="stopped", step=3)
    assert fold([_STARTED, stopped, _STARTED, _REFUSED]).status == "failed"
    assert fold([_STARTED, _COMPLETED, _STARTED, _REFUSED, _STARTED]).status == "running"


def test_a_run_that_stopped_early_goes_on_without_its_patience(make_run: RunMaker) -> None:
    folder = make_run(train__early_stopping=2)
    lines = [encode(_STARTED), encode(e.RunStopped(reason="early_stopping", step=2))]
    folder.events.write_bytes(b"\n".join(lines) + b"\n")
    for changes in ({}, {"train.epochs": 90}, {"train.early_stopping": 1}):
        with pytest.raises(FarenseError) as told:
            resuming.prepare_resume(folder, changes)
        assert "--set train.early_stopping=0" in told.value.hint
    resuming.prepare_resume(folder, {"train.early_stopping": 0})
    assert folder.read_config().train.early_stopping == 0


def test_a_model_that_is_gone_is_told_before_anything_changes(
    make_run: RunMaker, tmp_path: Path, micro: Path
) -> None:
    own = tmp_path / "own"
    shutil.copytree(micro, own)
    folder = make_run(model__repo=str(own))
    finish(folder)
    before = folder.config.read_bytes(), folder.events.read_bytes()
    moved = own.rename(tmp_path / "moved")
    with pytest.raises(FarenseError, match="there is no model"):
        resuming.prepare_resume(folder, {"train.epochs": 5})
    assert (folder.config.read_bytes(), folder.events.read_bytes()) == before
    assert state_of(folder).status == "completed"

    changes = {"train.epochs": 5, "model.repo": str(moved)}
    resuming.prepare_resume(folder, changes)
    assert folder.read_config().model.repo == str(moved)
    assert finish(folder).status == "completed"

    other = tmp_path / "other"
    shutil.copytree(micro, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 1e-6}))
    with pytest.raises(FarenseError, match="another run"):
        resuming.prepare_resume(folder, {"train.epochs": 6, "model.repo": str(other)})


def test_a_run_whose_checkpoints_cannot_be_listed_does_not_begin_anew(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would write over what it has."""
    folder = make_run()
    out_of_reach.failing(monkeypatch, folder.path)
    with pytest.raises(FarenseError, match="cannot read") as told:
        resuming.prepare_resume(folder, {})
    assert told.value.exit_code == ExitCode.REFUSED
    assert "Input/output error" in told.value.detail
    assert str(folder.path) in told.value.title


@pytest.mark.skipif(sys.platform == "darwin", reason="has no such names")
def test_a_run_in_a_folder_that_is_not_utf8_is_not_gone_on_with(
    make_run: RunMaker, tmp_path: Path
) -> None:
    """MLX opens no file there: all its checkpoints were passed over as damaged."""
    folder = make_run()
    (elsewhere := Path(os.fsdecode(os.fsencode(tmp_path) + b"/jos\xe9"))).mkdir()
    moved = RunFolder(folder.path.rename(elsewhere / "run"))
    for deed in (resuming.check_resumable, supervisor.launch, found_again.usable):
        with pytest.raises(FarenseError, match="is not UTF-8") as told:
            deed(moved)
        assert told.value.exit_code == ExitCode.REFUSED
    assert not moved.is_alive()


def test_a_model_may_be_named_anew_only_once_it_is_known(make_run: RunMaker, micro: Path) -> None:
    folder = make_run()
    assert resuming.prepare_resume(folder, {"model.repo": str(micro)})
    config = replace_setting(folder.read_config(), "run.model_sha256", "")  # it was downloaded
    folder.config.write_text(dumps(config))
    with pytest.raises(FarenseError, match="another run"):
        resuming.prepare_resume(folder, {"model.repo": str(micro)})
    holding.kill_at(folder, '"type":"checkpoint"')
    resuming.prepare_resume(folder, {"model.repo": str(micro)})


def test_the_data_of_a_run_may_be_somewhere_else(
    make_run: RunMaker, tmp_path: Path, data: Path
) -> None:
    """Its rows are compared by the worker, which knows their tokens."""
    own = tmp_path / "own-rows"
    shutil.copytree(data, own)
    folder = make_run(data__path=str(own), data__keep_mb=0)
    holding.kill_at(folder, '"type":"checkpoint"')
    moved = own.rename(tmp_path / "moved-rows")
    with pytest.raises(FarenseError, match="data set of the run is not there"):
        resuming.prepare_resume(folder, {})
    resuming.prepare_resume(folder, {"data.path": str(moved)})
    assert finish(folder).status == "completed"

    rows = (moved / "train.jsonl").read_text().splitlines()
    (moved / "train.jsonl").write_text("\n".join(rows[1:]))
    resuming.prepare_resume(folder, {"data.path": str(moved), "train.epochs": 5})
    assert supervisor.launch(folder).wait() == ExitCode.REFUSED
    state = state_of(folder)
    assert state.failure
    assert "the training data, or how its rows are read, is not what it was" in state.failure.detail
    assert state.status == "completed"


def test_a_cached_model_is_named_by_its_repository() -> None:
    place = f"/Users/a/hub/models--owner--name/snapshots/{_COMMIT}"
    assert model_identity.name(place) == "owner/name"
    for path in ("/Users/a/own-model", "~/own-model"):
        assert model_identity.name(path) == "own-model"
    assert model_identity.name("owner/name") == "owner/name"


def test_a_run_that_was_played_has_no_model(tmp_path: Path) -> None:
    run = played.prepare_scenario("ok", 1.0, tmp_path)
    with pytest.raises(FarenseError, match="only played"):
        found_again.usable(run)
