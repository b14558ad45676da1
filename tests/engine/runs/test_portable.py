"""A run in another place, without what it was begun with: what it needs travels or is found."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from farense_worker.protocol import places
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Profile

from farense_tui.cli import main
from farense_tui.engine.models.assets import embedded_data, embedded_model
from farense_tui.engine.runs import data_folders, found_again, kept_data, resuming, supervisor
from farense_tui.engine.tasks import ask, evaluation, export
from tests import holding
from tests.real_runs import RunMaker, finish, results, state_of

Maker = Callable[..., RunFolder]
_COMMIT = "0123456789abcdef0123456789abcdef01234567"
_SNAPSHOT = f"models--owner--name/snapshots/{_COMMIT}"


@pytest.fixture
def make_run(make_run: RunMaker) -> Maker:
    """Make runs that keep a copy of their data, as runs do."""

    def make(name: str = "run", **settings: Any) -> RunFolder:
        return make_run(name, **{"data__keep_mb": 4.0, **settings})

    return make


@pytest.fixture
def cache(tmp_path: Path, micro: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of Hugging Face's with the micro model in it, as owner/name."""
    from huggingface_hub import constants

    folder = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    shutil.copytree(micro, folder / _SNAPSHOT)
    refs = folder / "models--owner--name" / "refs"
    refs.mkdir()
    (refs / "main").write_text(_COMMIT)
    return folder


def codes(folder: RunFolder) -> list[str]:
    lines = map(json.loads, folder.events.read_text(encoding="utf-8").splitlines())
    return [line["code"] for line in lines if line["type"] == "notice"]


def test_a_run_goes_on_and_is_measured_where_all_has_moved(
    make_run: Maker, tmp_path: Path, data: Path, cache: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from huggingface_hub import constants

    rows = tmp_path / "rows"
    shutil.copytree(data, rows)
    shutil.copy(rows / "valid.jsonl", rows / "test.jsonl")
    undisturbed = make_run("undisturbed", model__repo="owner/name", data__path=str(rows))
    finish(undisturbed)
    begun = make_run("begun", model__repo="owner/name", data__path=str(rows))
    config = begun.read_config()
    assert (config.model.repo, config.model.revision) == ("owner/name", _COMMIT)
    assert config.run.model_sha256
    assert config.run.data_sha256
    holding.kill_at(begun, '"type":"checkpoint"')

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache.rename(tmp_path / "elsewhere")))
    shutil.rmtree(rows)
    moved = RunFolder(Path(shutil.move(begun.path, tmp_path / "other-mac" / begun.name)))
    assert resuming.prepare_resume(moved, {})
    finish(moved)
    assert results(moved) == results(undisturbed)
    assert "own_data" in codes(moved)
    assert moved.read_config() == config
    for made in (moved.adapters, undisturbed.adapters):
        assert json.loads((made / "adapter_config.json").read_text())["model"] == "owner/name"

    asked = evaluation.request([moved])
    assert asked.data == str(moved.data)
    assert [each.split for each in [evaluation.evaluate(asked)]] == ["test"]
    assert ask.setup([moved]).repo == str(tmp_path / "elsewhere" / _SNAPSHOT)
    assert str(tmp_path) not in export.request(moved, tmp_path / "out").adapter_card
    capsys.readouterr()
    assert main(["evaluate", str(moved.path), "--rows", "1"]) == 0
    assert "own copy of the data is used" in capsys.readouterr().err


def test_what_comes_with_the_program_is_called_so(make_run: Maker) -> None:
    folder = make_run(model__repo="embedded", data__path="embedded")
    config = folder.read_config()
    assert (config.model.repo, config.data.path) == ("embedded", "embedded")
    here = found_again.config_of(folder)
    assert Path(here.model.repo) == embedded_model().resolve()
    assert Path(here.data.path) == embedded_data().resolve()
    assert data_folders.recent(folder.path.parent)[-1] == "embedded"


def test_a_snapshot_that_is_named_as_a_folder_is_known(make_run: Maker, cache: Path) -> None:
    config = make_run(model__repo=str(cache / _SNAPSHOT)).read_config()
    assert (config.model.repo, config.model.revision) == ("owner/name", _COMMIT)


def test_the_commit_of_what_was_downloaded_is_kept(make_run: Maker, cache: Path) -> None:
    """The repository has moved on since: its newest is another model."""
    hidden = cache.rename(cache.with_name("not-yet"))
    folder = make_run(model__repo="owner/name")
    assert folder.read_config().run.model_sha256 == ""
    found_again.write(folder)
    assert places.read(folder).model == ""
    hidden.rename(cache)
    places.found(folder, cache / _SNAPSHOT)
    other = cache / _SNAPSHOT.replace("0123", "ffff", 1)
    shutil.copytree(cache / _SNAPSHOT, other)
    (cache / "models--owner--name" / "refs" / "main").write_text(other.name)
    assert found_again.config_of(folder).model.repo == str(cache / _SNAPSHOT)


def test_the_copy_is_small_and_private(make_run: Maker, data: Path, tmp_path: Path) -> None:
    folder = make_run("kept")
    assert stat.S_IMODE(folder.data.stat().st_mode) == 0o700
    for name in ("train.jsonl", "valid.jsonl"):
        assert (folder.data / name).read_bytes() == (data / name).read_bytes()
    size = sum(path.stat().st_size for path in folder.data.iterdir())
    assert not make_run("none", data__keep_mb=0).data.exists()
    assert not make_run("less", data__keep_mb=(size - 1) / 1e6).data.exists()
    assert make_run("all", data__keep_mb=size / 1e6).data.exists()


def test_a_data_set_is_known_by_what_is_trained_and_validated_on(tmp_path: Path) -> None:
    def changed(name: str, text: str) -> bool:
        before = kept_data.fingerprint(tmp_path)
        (tmp_path / name).write_text(text)
        return kept_data.fingerprint(tmp_path) != before

    assert kept_data.fingerprint(tmp_path) == ""
    assert changed("train.jsonl", "a\n")
    assert changed("train.jsonl", "b\n")
    assert changed("valid.jsonl", "a\n")
    assert not changed("test.jsonl", "a\n")
    assert changed("train.jsonl", "x" * (5 << 20))
    assert changed("train.jsonl", "y" + "x" * ((5 << 20) - 1))
    assert changed("train.jsonl", "y" + "x" * ((5 << 20) - 2) + "y")


def test_rows_that_were_changed_are_not_trained_on_unless_they_are_named(
    make_run: Maker, tmp_path: Path, data: Path
) -> None:
    rows = tmp_path / "rows"
    shutil.copytree(data, rows)
    folder = make_run(data__path=str(rows))
    holding.kill_at(folder, '"type":"checkpoint"')
    assert codes(folder).count("data_kept") == 1
    lines = (rows / "train.jsonl").read_text().splitlines()
    (rows / "train.jsonl").write_text("\n".join(lines[1:]))
    assert found_again.config_of(folder).data.path == str(folder.data)
    (told,) = found_again.remarks(folder)
    assert str(rows) in told
    valid = folder.data / "valid.jsonl"
    valid.write_text(valid.read_text() + "\n")
    assert "not what it was, either" in found_again.remarks(folder)[1]

    resuming.prepare_resume(folder, {"data.path": str(rows)})
    assert found_again.config_of(folder).data.path == str(rows)
    assert supervisor.launch(folder).wait() == ExitCode.REFUSED
    failure = state_of(folder).failure
    assert failure
    assert "the training data, or how its rows are read, is not what it was" in failure.detail


def test_where_a_complete_run_finds_its_model_and_data_can_be_said(
    make_run: Maker, tmp_path: Path, micro: Path, data: Path
) -> None:
    own, rows = tmp_path / "own", tmp_path / "rows"
    shutil.copytree(micro, own)
    shutil.copytree(data, rows)
    folder = make_run(model__repo=str(own), data__path=str(rows), data__keep_mb=0)
    finish(folder)
    model, moved = own.rename(tmp_path / "model"), rows.rename(tmp_path / "moved")
    with pytest.raises(FarenseError, match="there is no model") as error:
        ask.setup([folder])
    assert "resume run --set model.repo=FOLDER" in error.value.hint
    with pytest.raises(FarenseError, match="is complete"):
        resuming.prepare_resume(folder, {})

    assert not resuming.prepare_resume(folder, {"model.repo": str(model), "data.path": str(moved)})
    assert ask.setup([folder]).repo == str(model)
    assert evaluation.request([folder]).data == str(moved)
    assert found_again.remarks(folder) == []
    (moved / "train.jsonl").write_text((data / "valid.jsonl").read_text())
    with pytest.raises(FarenseError, match="not what it was"):
        resuming.prepare_resume(folder, {"data.path": str(moved)})
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 1e-6}))
    assert "is not what the run was trained on" in found_again.remarks(folder)[-1]


def test_places_that_cannot_be_read_are_none(make_run: Maker) -> None:
    folder = make_run()
    config = folder.read_config()
    huge = b'{"model": "/elsewhere"}' + b" " * 100_000
    for wrong in (b"", b"[]", b'{"model": 5}', b"\xff", b"[" * 100_000, huge):
        folder.places.write_bytes(wrong)
        assert places.applied(folder, config) == config
    (folder.path / "there.json").write_text('{"model": "/elsewhere"}')
    for put in (
        lambda: os.mkfifo(folder.places),
        lambda: folder.places.symlink_to("there.json"),
        folder.places.mkdir,
    ):
        folder.places.unlink()
        put()
        assert places.applied(folder, config) == config


def test_models_are_used_in_the_type_of_their_run(make_run: Maker) -> None:
    runs = [make_run(name, model__dtype=name) for name in ("float16", "bfloat16", "auto")]
    for run in runs:
        run.adapters.mkdir()
        (run.adapters / "adapters.safetensors").touch()
        assert ask.setup([run]).dtype == run.name
    assert ask.setup(runs).dtype == "bfloat16"  # one base for all: none leaves its range
    dtypes = {each.adapters[0].name: each.dtype for each in evaluation.request(runs).candidates}
    assert dtypes == {run.name: run.name for run in runs}
    assert Profile().data.keep_mb == 4
