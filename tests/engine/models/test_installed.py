"""Which models are found on the disk, and what is told of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest

from farense_tui.engine.models import installed
from farense_tui.engine.models.installed import describe
from tests import no_tensors


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FARENSE_MODELS", raising=False)
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
    return folder


def model(folder: Path, weights: int = 10, **config: Any) -> Path:
    folder.mkdir(parents=True)
    values = {"model_type": "llama", "num_hidden_layers": 4, "vocab_size": 99} | config
    (folder / "config.json").write_text(json.dumps(values))
    (folder / "tokenizer.json").write_text("{}")
    if weights:
        (folder / "model.safetensors").write_bytes(no_tensors.weights(max(weights, 10)))
    return folder


def snapshot(hub: Path, name: str, commit: str = "abc", **more: Any) -> Path:
    repo = hub / f"models--{name.replace('/', '--')}"
    (repo / "refs").mkdir(parents=True, exist_ok=True)
    (repo / "refs" / "main").write_text(commit)
    (repo / "blobs").mkdir(exist_ok=True)
    return model(repo / "snapshots" / commit, **more)


def test_the_embedded_one_comes_first(hub: Path) -> None:
    snapshot(hub, "a/a")
    names = [(each.name, each.source) for each in installed.found()]
    assert names == [("embedded", "embedded"), ("a/a", "cache")]


def test_local_folders(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model(tmp_path / "models" / "mine")
    model(tmp_path / "elsewhere" / "other")
    model(tmp_path / "models" / "empty", weights=0)
    monkeypatch.setenv("FARENSE_MODELS", str(tmp_path / "elsewhere"))
    found = {each.name for each in installed.found() if each.source == "folder"}
    assert found == {"models/mine", "models/empty", str(tmp_path / "elsewhere" / "other")}
    (tmp_path / "again").symlink_to(tmp_path / "models")
    monkeypatch.setenv("FARENSE_MODELS", str(tmp_path / "again"))
    twice = [each.name for each in installed.found() if each.source == "folder"]
    assert twice == ["models/empty", "models/mine"]


@pytest.mark.parametrize("broken", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_link_that_leads_nowhere_is_missing(hub: Path, broken: str) -> None:
    folder = snapshot(hub, "a/cut")
    (folder / broken).unlink()
    (folder / broken).symlink_to(hub / "nowhere")
    (listed,) = [each for each in installed.found() if each.name == "a/cut"]
    assert not listed.whole
    assert any(what in ("tokenizer", "model*.safetensors", broken) for what in listed.missing)


def test_without_refs_main_it_is_not_known_which_snapshot_is_meant(hub: Path) -> None:
    folder = snapshot(hub, "a/lost")
    (folder.parent.parent / "refs" / "main").unlink()
    (listed,) = [each for each in installed.found() if each.name == "a/lost"]
    assert listed.missing == ("which snapshot is meant (refs/main)",)


def test_a_repository_with_nothing_in_it(hub: Path) -> None:
    (hub / "models--a--bare" / "refs").mkdir(parents=True)
    (listed,) = [each for each in installed.found() if each.name == "a/bare"]
    assert listed.missing == ("everything",)


@pytest.mark.parametrize("ref", [b"\xff\xfe", b"a" * 3000, b"\0", b"gone"])
def test_a_cache_that_was_written_to_by_others_ends_nothing(hub: Path, ref: bytes) -> None:
    repo = hub / "models--a--odd"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_bytes(ref)
    (repo / "snapshots").mkdir()
    (repo / "snapshots" / ".DS_Store").touch()
    (repo / "snapshots" / "loop").symlink_to("loop")
    (repo / "snapshots" / "away").symlink_to(hub / "nowhere")
    (listed,) = [each for each in installed.found() if each.name == "a/odd"]
    assert listed.missing == ("everything",)


def test_what_macos_leaves_beside_files_is_nothing(hub: Path, tmp_path: Path) -> None:
    mine = model(tmp_path / "models" / "mine")
    (mine / "._model.safetensors").write_bytes(b"x" * 4096)
    (mine / "._config.json").write_bytes(b"x")
    (listed,) = [each for each in installed.found() if each.source == "folder"]
    assert (listed.bytes, listed.whole) == (10, True)


def test_what_config_json_tells(tmp_path: Path) -> None:
    quantised = describe(
        "m", "folder", model(tmp_path / "q", quantization={"bits": 4, "group_size": 64})
    )
    assert (quantised.layers, quantised.vocabulary, quantised.bytes) == (4, 99, 10)
    assert quantised.weights == "4 bits, groups of 64"
    floats = describe("m", "folder", model(tmp_path / "f", torch_dtype="bfloat16"))
    assert floats.weights == "bfloat16"
    assert not floats.trusts
    assert describe("m", "folder", model(tmp_path / "t", model_file="x.py")).trusts
    vision = describe(
        "m",
        "folder",
        model(tmp_path / "v", num_hidden_layers=None, text_config={"num_hidden_layers": 7}),
    )
    assert vision.layers == 7


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"'])
def test_a_config_that_is_none_tells_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    found = describe("m", "folder", tmp_path)
    assert (found.layers, found.kind) == (0, "")


def test_a_download_that_was_broken_off(hub: Path) -> None:
    folder = snapshot(hub, "a/part", weights=0)
    blobs = folder.parent.parent / "blobs"
    (blobs / "12.farense-partial").write_bytes(bytes(7))
    beginning = hub / "models--a--begun" / "blobs"
    beginning.mkdir(parents=True)
    (beginning / "34.farense-partial").write_bytes(bytes(5))
    found = {each.name: (each.bytes, each.whole) for each in installed.found()}
    assert found["a/part"] == (7, False)
    assert found["a/begun"] == (5, False)


def test_one_of_two_shards_is_not_whole(hub: Path) -> None:
    folder = snapshot(hub, "a/shards", weights=0)
    (folder / "model-00001-of-00002.safetensors").write_bytes(no_tensors.weights(10))
    index = {"weight_map": {f"w{n}": f"model-0000{n}-of-00002.safetensors" for n in (1, 2)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (listed,) = [each for each in installed.found() if each.name == "a/shards"]
    assert not listed.whole


def test_the_snapshot_that_main_means(hub: Path) -> None:
    snapshot(hub, "a/a", commit="new", weights=20)
    model(hub / "models--a--a" / "snapshots" / "old", weights=5)
    (listed,) = [each for each in installed.found() if each.name == "a/a"]
    assert listed.bytes == 20
