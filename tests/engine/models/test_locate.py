"""Where a model is, without a look at the network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.plan import model_shape
from hypothesis import given
from hypothesis import strategies as st

from farense_tui.cli import main
from farense_tui.engine.models import installed, locate
from farense_tui.engine.models.assets import embedded_model
from tests.no_tensors import weights


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.mkdir()
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(weights(123))
    (path / "tokenizer.json").write_text("{}")
    return path


def test_the_embedded_model_is_here() -> None:
    found = locate.locate("embedded")
    assert found.state == "here"
    assert found.path == embedded_model()
    assert found.bytes > 1 << 20


def test_a_folder_is_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert locate.locate(str(folder)) == locate.ModelState(str(folder), "here", folder, 123)
    monkeypatch.chdir(folder.parent)
    assert locate.locate("model").state == "here"
    assert locate.locate("./model").state == "here"
    assert locate.resolve("model") == str(folder)
    monkeypatch.setenv("HOME", str(folder.parent))
    assert locate.locate("~/model").path == folder


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ("[]", "not a table"),
        ("{", "not JSON"),
        ("[" * 200_000, "not JSON"),
        ('{"text_config": 3}', "not a table"),
        ('{"vocab_size": -5}', "vocab_size = -5"),
        ('{"num_attention_heads": 0}', "num_attention_heads = 0"),
        ('{"text_config": {"hidden_size": 1e999}}', "hidden_size = inf"),
        ('{"num_hidden_layers": 1000000000}', "num_hidden_layers = 1000000000"),
        ('{"hidden_size": "x"}', 'hidden_size = "x"'),
        ('{"intermediate_size": [64, 0]}', "intermediate_size = [64, 0]"),
        ('{"rope_theta": "x"}', 'rope_theta = "x"'),
        ('{"rope_theta": 0}', "rope_theta = 0"),
        ('{"rope_scaling": [1]}', "rope_scaling = [1]"),
        ('{"model_type": null}', "model_type = null"),
    ],
)
def test_a_damaged_model_is_named_before_the_start(folder: Path, config: str, why: str) -> None:
    (folder / "config.json").write_text(config)
    found = locate.locate(str(folder))
    assert found.state == "missing"
    assert why in found.why
    assert model_shape.read(folder) is None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a safetensors file"),
        (bytes(8) + b"{}", "not a safetensors file"),
        ((1 << 63).to_bytes(8, "little") + b"{}", "not a safetensors file"),
        ((200_000).to_bytes(8, "little") + b"[" * 200_000, "damaged header"),
        ((2).to_bytes(8, "little") + b"[]", "damaged header"),
        ((90).to_bytes(8, "little") + b'{"a": {"data_off', "cut off after 24 bytes"),
        ((32).to_bytes(8, "little") + b'{"a": {"data_offsets": [0, 99]}}', "cut off after 40"),
        ((35).to_bytes(8, "little") + b'{"a": {"data_offsets": [0, 1e999]}}', "damaged header"),
    ],
)
def test_damaged_weights_are_named_before_the_start(folder: Path, data: bytes, why: str) -> None:
    (folder / "model.safetensors").write_bytes(data)
    found = locate.locate(str(folder))
    assert found.state == "missing"
    assert why in found.why


def test_a_damaged_tokenizer_configuration_is_named(folder: Path) -> None:
    for text in ("[]", "{", '{"tokenizer_class": 5}'):
        (folder / "tokenizer_config.json").write_text(text)
        assert "tokenizer_config.json" in locate.locate(str(folder)).why


@pytest.mark.parametrize(
    ("gone", "why"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", "has no model*.safetensors"),
        ("tokenizer.json", "has no tokenizer"),
    ],
)
def test_half_a_model_is_none(folder: Path, gone: str, why: str) -> None:
    (folder / gone).unlink()
    found = locate.locate(str(folder))
    assert found.state == "missing"
    assert why in found.why


@pytest.mark.parametrize(
    ("repo", "why"),
    [
        ("nothing", "neither a folder nor a repository"),
        ("a/b/c", "neither a folder nor a repository"),
        ("a/", "neither a folder nor a repository"),
        ("/nowhere/x", "is not a folder"),
        ("./x", "is not a folder"),
        ("~/nothing-here", "is not a folder"),
        ("owner/na me", "Repo id"),
        ("x" * 5000, "File name too long"),
        ("a\0b/c", "Repo id"),
    ],
)
def test_what_is_nowhere_is_missing_and_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repo: str, why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found = locate.locate(repo)
    assert found.state == "missing"
    assert why in found.why
    with pytest.raises(FarenseError, match="there is no model") as caught:
        locate.resolve(repo)
    assert caught.value.exit_code == ExitCode.REFUSED
    assert "embedded" in caught.value.hint


@pytest.mark.skipif(sys.platform != "linux", reason="has no file that cannot be read")
def test_a_model_that_cannot_be_read_is_not_called_missing(folder: Path) -> None:
    (folder / "model.safetensors.index.json").symlink_to("/proc/self/mem")
    assert locate.locate(str(folder)).state == "here"  # it is not called missing
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to("/proc/self/mem")
    with pytest.raises(FarenseError, match="cannot be used") as caught:
        locate.resolve(str(folder))
    assert "config.json: Input/output error" in caught.value.detail


@given(st.text(max_size=40), st.text(max_size=10))
def test_any_text_may_be_asked_while_it_is_typed(repo: str, revision: str) -> None:
    assert locate.locate(repo, revision).state in ("here", "download", "missing")


def cached(cache: Path, repo: str, *names: str, index: dict[str, str] | None = None) -> Path:
    """Put files into a Hugging Face cache, as a download does."""
    root = cache / f"models--{repo.replace('/', '--')}"
    snapshot = root / "snapshots" / "abc123"
    snapshot.mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text("abc123")
    for name in (*names, "tokenizer.json"):
        (snapshot / name).write_bytes(weights(10) if name.endswith(".safetensors") else b"{}")
    if index:
        text = json.dumps({"weight_map": index})
        (snapshot / "model.safetensors.index.json").write_text(text)
    return snapshot


def test_what_the_cache_of_hugging_face_has(tmp_path: Path) -> None:
    cache = tmp_path / "hub"
    whole = cached(cache, "own/whole", "config.json", "model.safetensors")
    cached(cache, "own/begun", "config.json")
    cached(cache, "own/weights-only", "model.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    both = cached(cache, "own/both", "config.json", *shards.values(), index=shards)
    cached(cache, "own/half", "config.json", shards["a"], index=shards)
    asked = ["own/whole", "own/begun", "own/weights-only", "own/both", "own/half", "own/unknown"]
    code = """
import json, sys
from farense_tui.engine.models.locate import locate
found = [locate(repo) for repo in sys.argv[1:]] + [locate("own/whole", "v2")]
print(json.dumps([[each.state, str(each.path)] for each in found]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, *asked],
        env={**os.environ, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [
        ["here", str(whole)],
        ["download", "None"],
        ["download", "None"],
        ["here", str(both)],
        ["download", "None"],  # a download that was broken off is gone on with
        ["download", "None"],
        ["download", "None"],
    ]


@pytest.mark.parametrize("broken", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_link_of_the_cache_that_leads_nowhere_is_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.file_download.constants.HF_HUB_CACHE", str(tmp_path))
    snapshot = cached(tmp_path, "own/cut", "config.json", "model.safetensors")
    assert locate.locate("own/cut").state == "here"
    (snapshot / broken).unlink()
    (snapshot / broken).symlink_to(tmp_path / "nowhere")
    assert locate.locate("own/cut").state == "download"


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        (
            "model.safetensors",
            bytes([32, *[0] * 7]) + b'{"a": {"data_offsets": [0, 99]}}',
            "cut off",
        ),
        ("config.json", b'{"vocab_size": -5}', "vocab_size = -5"),
        ("generation_config.json", b'{"eos_token_id": "2"}', 'eos_token_id = "2"'),
    ],
)
def test_a_damaged_model_of_the_cache_is_named_with_what_helps(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: str,
    content: bytes,
    why: str,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.file_download.constants.HF_HUB_CACHE", str(tmp_path))
    snapshot = cached(tmp_path, "own/cut", "config.json", "model.safetensors")
    (snapshot / file).write_bytes(content)
    found = locate.locate("own/cut")
    assert found.state == "missing"
    assert why in found.why
    assert f"Delete {tmp_path}/models--own--cut, and it is downloaded anew." in found.why
    assert main(["models", "download", "own/cut"]) == ExitCode.REFUSED
    assert why in " ".join(capsys.readouterr().err.split())


def test_a_repository_without_refs_main_is_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    snapshot = cached(tmp_path, "own/lost", "config.json", "model.safetensors")
    (snapshot.parent.parent / "refs" / "main").unlink()
    assert locate.locate("own/lost").state == "download"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("adapter_config.json", {"peft_type": "LORA", "base_model_name_or_path": "a/b"}, "on a/b"),
        ("adapter_config.json", {"model": "a/b", "num_layers": 4}, "--set model.adapter="),
        ("x.gguf", {}, "GGUF"),
        ("pytorch_model.bin", {}, "save_pretrained"),
    ],
)
def test_a_folder_that_is_something_else_says_what_it_is(
    tmp_path: Path, name: str, content: dict[str, str], said: str
) -> None:
    (tmp_path / name).write_text(json.dumps(content))
    found = locate.locate(str(tmp_path))
    assert found.state == "missing"
    assert said in found.why


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("generation_config.json", '{"eos_token_id": "2"}', 'eos_token_id = "2"'),
        ("generation_config.json", '{"eos_token_id": [2, null]}', "eos_token_id = [2, null]"),
        ("generation_config.json", '{"eos_token_id": -1}', "eos_token_id = -1"),
        ("config.json", '{"eos_token_id": true}', "eos_token_id = true"),
        ("tokenizer_config.json", '{"chat_template": 5}', "chat_template = 5"),
        ("tokenizer_config.json", '{"eos_token": ["a"]}', 'eos_token = ["a"]'),
    ],
)
def test_ends_and_templates_that_are_none_are_named(
    folder: Path, file: str, text: str, why: str
) -> None:
    """The worker ended in Python's words, or went on without a stop."""
    (folder / file).write_text(text)
    assert f"{file} says {why}" in locate.locate(str(folder)).why


@pytest.mark.parametrize("end", ["2", "[2, 3]", "null", "[]", "0"])
def test_ends_as_they_may_be(folder: Path, end: str) -> None:
    (folder / "generation_config.json").write_text(f'{{"eos_token_id": {end}}}')
    assert locate.locate(str(folder)).state == "here"


def tensors(*names: str, first: int = 0) -> bytes:
    """Weights of four bytes for each name, each from `first` on behind the one before."""
    places = {name: [first + at * 4, first + at * 4 + 4] for at, name in enumerate(names)}
    about = {
        name: {"dtype": "F32", "shape": [1], "data_offsets": at} for name, at in places.items()
    }
    header = json.dumps(about).encode()
    return len(header).to_bytes(8, "little") + header + bytes(first + 4 * len(names))


def test_two_files_for_one_weight_are_named(folder: Path) -> None:
    """mlx_lm reads every model*.safetensors: the last that the disk names would have won."""
    (folder / "model.safetensors").write_bytes(tensors("a", "b"))
    (folder / "model-00002-of-00002.safetensors").write_bytes(tensors("c"))
    assert locate.locate(str(folder)).state == "here"
    (folder / "model_old.safetensors").write_bytes(tensors("b"))
    why = locate.locate(str(folder)).why
    assert "model.safetensors and model_old.safetensors both have b" in why


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ('"shape": [1]', '"shape": [2]'),
        ('"shape": [1]', '"shape": [-1]'),
        ('"shape": [1]', '"shape": ["1"]'),
        ('"shape": [1]', '"shape": null'),
        ('"shape": [1]', f'"shape": {[1 << 60] * 20_000}'),  # whose product takes minutes
        ('"dtype": "F32"', '"dtype": "F16"'),
        ('"dtype": "F32"', '"dtype": []'),
        ('"data_offsets": [0, 4]', '"data_offsets": [0, 1e999]'),
        ('"data_offsets": [0, 4]', '"data_offsets": [4, 0]'),
    ],
)
def test_a_tensor_that_is_not_as_long_as_its_shape_is_named(
    folder: Path, was: str, now: str
) -> None:
    header = tensors("a")[8:-4].decode()
    assert was in header
    changed = header.replace(was, now).encode()
    made = len(changed).to_bytes(8, "little") + changed + bytes(4)
    (folder / "model.safetensors").write_bytes(made)
    assert "damaged header" in locate.locate(str(folder)).why


@pytest.mark.parametrize(
    "value", ["1", "[]", "{}", '"4"', '{"bits": 4}', '{"bits": "4", "group_size": 64}']
)
def test_a_quantization_that_is_none_is_named(folder: Path, value: str) -> None:
    (folder / "config.json").write_text(f'{{"quantization": {value}}}')
    assert "config.json says quantization = " in locate.locate(str(folder)).why


@pytest.mark.parametrize("name", ["5", "null", "true", "[]", "{}", '"../x"', '"/etc/passwd"'])
def test_an_index_that_names_no_file_beside_it_is_named(folder: Path, name: str) -> None:
    (folder / "model.safetensors.index.json").write_text(f'{{"weight_map": {{"a": {name}}}}}')
    found = locate.locate(str(folder))
    assert found.state == "missing"
    assert " has no " in found.why


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "generation_config.json"])
def test_a_pipe_in_the_place_of_a_file_of_a_model_keeps_nobody_waiting(
    folder: Path, file: str
) -> None:
    (folder / file).unlink(missing_ok=True)
    os.mkfifo(folder / file)
    locate.locate(str(folder))
    installed.describe("x", "folder", folder)
    assert model_shape.read(folder) is None


def test_a_configuration_nested_too_deeply_ends_no_list(folder: Path) -> None:
    (folder / "config.json").write_text('{"x": ' + "[" * 100_000)
    assert locate.locate(str(folder)).state == "missing"
    assert installed.describe("x", "folder", folder).kind == ""


def test_weights_that_lie_over_each_other_are_named(folder: Path) -> None:
    made = tensors("a", "b")
    (folder / "model.safetensors").write_bytes(made.replace(b"[4, 8]", b"[2, 6]"))
    assert "damaged header" in locate.locate(str(folder)).why


def test_a_folder_that_mlx_lm_takes_for_a_pattern_is_named(tmp_path: Path, micro: Path) -> None:
    for name in ("[own]", "own?", "a*b"):
        found = locate.locate(str(shutil.copytree(micro, tmp_path / name)))
        assert found.state == "missing"
        assert "[, * or ?" in found.why


@pytest.mark.parametrize("name", ["tokenizer.json", "chat_template.jinja"])
def test_a_link_to_a_device_is_no_file_of_a_model(folder: Path, name: str) -> None:
    """The tokenizer's library reads as long as there is memory."""
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to("/dev/zero")
    assert name in locate.locate(str(folder)).why


@pytest.mark.parametrize("key", ["rope_scaling", "rope_parameters"])
def test_factors_that_are_no_numbers_are_named(folder: Path, key: str) -> None:
    (folder / "config.json").write_text(json.dumps({key: {"factor": float("inf")}}))
    assert f"config.json says {key} = " in locate.locate(str(folder)).why
