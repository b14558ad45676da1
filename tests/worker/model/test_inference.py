"""Loading a model with an adapter, to use it."""

from __future__ import annotations

import json
import math
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from farense_worker.generate import decoding
from farense_worker.model import inference, model
from farense_worker.model.compat import linear_to_lora_layers
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.messages.serving import Setup
from farense_worker.protocol.settings.profile import Model
from farense_worker.serve.models import Models
from farense_worker.serve.requests import Chat, Message, Refusal, Text
from mlx.utils import tree_flatten
from msgspec import convert

from farense_tui.engine.runs import supervisor
from tests.real_runs import RunMaker, state_of
from tests.tokenizers import load, variant


@pytest.mark.parametrize("config", ["[]", "{", "3", "{}", "[" * 200_000, '{"num_layers": "x"}'])
def test_an_adapter_with_a_damaged_configuration_is_named(
    micro: Path, tmp_path: Path, config: str
) -> None:
    adapter = tmp_path / "adapters"
    adapter.mkdir()
    shutil.copyfile(micro / "model.safetensors", adapter / "adapters.safetensors")
    (adapter / "adapter_config.json").write_text(config)
    with pytest.raises(FarenseError, match="the adapter of mine cannot be loaded"):
        inference.load(micro, Model(repo=str(micro)), "mine", str(adapter))


def adapter_of(micro: Path, folder: Path) -> tuple[dict[str, mx.array], dict[str, Any]]:
    """An adapter as mlx_lm saves it, on the upper one of the two layers."""
    network: Any = model.load(micro, Model(repo=str(micro)))
    parameters = {"rank": 2, "scale": 4.0, "dropout": 0.0, "keys": ["self_attn.q_proj"]}
    linear_to_lora_layers(network, 1, parameters)
    weights = {name: v for name, v in tree_flatten(network.parameters()) if ".lora_" in name}
    folder.mkdir()
    return weights, {"num_layers": 1, "lora_parameters": parameters}


def loaded(micro: Path, folder: Path, weights: dict[str, mx.array], config: dict[str, Any]) -> None:
    mx.save_safetensors(str(folder / "adapters.safetensors"), weights)
    (folder / "adapter_config.json").write_text(json.dumps(config))
    inference.load(micro, Model(repo=str(micro)), "mine", str(folder))


def test_an_adapter_with_a_part_missing_is_named(micro: Path, tmp_path: Path) -> None:
    """mlx_lm takes it, and answers as if there was no adapter, or with half a random one."""
    weights, config = adapter_of(micro, tmp_path / "a")
    loaded(micro, tmp_path / "a", weights, config)
    b = next(name for name in weights if name.endswith("lora_b"))
    without = {name: value for name, value in weights.items() if name != b}
    for left, said in ((without, f"adapters.safetensors is without {b}"), ({}, "no weights in it")):
        with pytest.raises(FarenseError, match="the adapter of mine cannot be loaded") as caught:
            loaded(micro, tmp_path / "a", left, config)
        assert said in caught.value.detail


@pytest.mark.parametrize("kind", ["LoRA", "loha", "", None, 3, ["lora"]])
def test_an_adapter_of_an_unknown_kind_is_named(micro: Path, tmp_path: Path, kind: object) -> None:
    """mlx_lm takes every unknown kind for lora."""
    weights, config = adapter_of(micro, tmp_path / "a")
    with pytest.raises(FarenseError, match="the adapter of mine cannot be loaded") as caught:
        loaded(micro, tmp_path / "a", weights, config | {"fine_tune_type": kind})
    assert f"fine_tune_type: {kind} is none of lora, dora, full" in caught.value.detail


def test_keys_that_nobody_trained_are_as_before(micro: Path, tmp_path: Path) -> None:
    """Adapters of before mlx_lm wrote `keys`: it now makes layers that they have no weights for."""
    weights, config = adapter_of(micro, tmp_path / "a")
    keys = ["self_attn.q_proj", "self_attn.v_proj"]
    lora = config["lora_parameters"] | {"keys": keys}
    loaded(micro, tmp_path / "a", weights, config | {"lora_parameters": lora})


@pytest.mark.parametrize(
    "wrong",
    [
        {"rope_theta": "x"},
        {"rope_parameters": {"rope_theta": "x", "rope_type": "default"}},
        {"rope_scaling": {"type": "dynamic", "factor": math.inf}},
        {"rope_scaling": {"type": "linear", "factor": 0}},
        {"rope_traditional": "x"},
        {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": "x"},
    ],
)
def test_what_a_class_only_looks_at_in_a_pass_is_refused_as_well(
    micro: Path, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    damaged = shutil.copytree(micro, tmp_path / "m")
    config = json.loads((micro / "config.json").read_text())
    (damaged / "config.json").write_text(json.dumps(config | wrong))
    with pytest.raises(FarenseError, match=f"the model {damaged} cannot be loaded") as caught:
        model.load(damaged, Model(repo=str(damaged)))
    assert caught.value.exit_code == ExitCode.REFUSED
    assert "config.json" in caught.value.detail
    assert "argument types" not in caught.value.detail


@pytest.mark.skipif(sys.platform != "linux", reason="has no file that cannot be read")
@pytest.mark.parametrize("name", ["config.json", "adapter_config.json"])
def test_what_cannot_be_read_is_not_called_damaged(micro: Path, tmp_path: Path, name: str) -> None:
    """The words were Python's own, [Errno 5], and the hint was to fetch the model again."""
    folder = shutil.copytree(micro, tmp_path / "m")
    loaded(micro, folder, *adapter_of(micro, tmp_path / "a"))
    (folder / name).unlink()
    (folder / name).symlink_to("/proc/self/mem")
    with pytest.raises(FarenseError, match="cannot be loaded") as caught:
        inference.load(folder, Model(repo=str(folder)), "mine", str(folder))
    assert "Input/output error" in caught.value.detail
    assert "Errno" not in caught.value.detail
    assert "damaged" not in caught.value.hint


def test_an_adapter_that_goes_in_the_middle_is_told_in_words(micro: Path, tmp_path: Path) -> None:
    """`evaluate` said [Errno 2]."""
    with pytest.raises(FarenseError, match="the adapter of mine cannot be loaded") as caught:
        inference.load(micro, Model(repo=str(micro)), "mine", str(tmp_path / "gone"))
    assert str(tmp_path / "gone") in caught.value.detail
    assert "Errno" not in caught.value.detail


def test_a_model_is_found_without_a_folder_for_temporary_files(
    micro: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    assert inference.find(Model(repo=str(micro))) == micro


def with_weights(micro: Path, folder: Path, change: Callable[[str, mx.array], mx.array]) -> Path:
    shutil.copytree(micro, folder)
    loaded: Any = mx.load(str(folder / "model.safetensors"))
    made = {name: change(name, value) for name, value in loaded.items()}
    mx.eval(made)
    (folder / "model.safetensors").unlink()
    mx.save_safetensors(str(folder / "model.safetensors"), made, {"format": "mlx"})
    return folder


@pytest.mark.parametrize("name", ["gate_proj.weight", "norm.weight", "embed_tokens.weight"])
def test_whole_numbers_in_place_of_floats_are_refused(
    micro: Path, tmp_path: Path, name: str
) -> None:
    """As others pack weights: they were computed with as if they were the weights."""
    packed = with_weights(
        micro, tmp_path / "m", lambda at, v: (v * 100).astype(mx.int8) if at.endswith(name) else v
    )
    with pytest.raises(FarenseError, match="cannot be loaded") as caught:
        inference.load(packed, Model(repo=str(packed)))
    assert f"{name} is not in floats" in caught.value.detail


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("up_proj.weight", math.inf),
        ("up_proj.weight", math.nan),
        ("1.input_layernorm.weight", math.nan),
    ],
)
def test_weights_that_are_no_numbers_are_refused(
    micro: Path, tmp_path: Path, name: str, value: float
) -> None:
    """Where nothing told it every answer and every loss was none."""

    def change(at: str, found: mx.array) -> mx.array:
        return found + value if at.endswith(name) else found

    odd = with_weights(micro, tmp_path / "m", change)
    with pytest.raises(FarenseError, match="cannot be loaded") as caught:
        inference.load(odd, Model(repo=str(odd)))
    assert f"{name} has values that are no numbers (NaN or Inf)" in caught.value.detail


def test_mlx_s_own_quantised_weights_are_taken(micro_4bit: Path) -> None:
    inference.load(micro_4bit, Model(repo=str(micro_4bit)))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"model_type": None}, "model_type"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, ""),
        ({"head_dim": 0, "num_attention_heads": 0}, ""),
        ({"num_hidden_layers": 2.0}, ""),
    ],
)
def test_what_a_class_cannot_take_is_refused(
    micro: Path, tmp_path: Path, change: dict[str, Any], word: str
) -> None:
    shutil.copytree(micro, tmp_path / "m")
    config = json.loads((micro / "config.json").read_text()) | change
    if config["model_type"] is None:
        del config["model_type"]
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    with pytest.raises(FarenseError, match="cannot be loaded") as caught:
        inference.load(tmp_path / "m", Model(repo="m"))
    assert word in caught.value.detail


def test_a_request_for_a_template_without_end_is_refused(micro: Path, tmp_path: Path) -> None:
    now_and_then = "{{ messages[-1].content * (10**10 if messages[-1].content == 'Quem?' else 1) }}"
    shutil.copytree(micro, tmp_path / "m")
    model = variant(micro, tmp_path / "m", now_and_then)
    served = Models(Setup(repo=str(model), base="m"), cache_bytes=0)
    served.load_default()
    messages = [{"role": "user", "content": "Quem?"}]
    with pytest.raises(Refusal, match="it was stopped") as refusal:
        served.answer_length(Chat(messages=convert(messages, list[Message])), messages)
    assert refusal.value.status == 400


def test_tokens_that_the_model_has_not_are_refused(
    micro: Path, tmp_path: Path, make_run: RunMaker
) -> None:
    """MLX reads what lies behind the table of embeddings, and says nothing."""
    few = 250  # of 288: the control tokens are 256 and more
    model = with_weights(micro, tmp_path / "m", lambda _at, v: v[:few] if len(v) == 288 else v)
    config = json.loads((model / "config.json").read_text()) | {"vocab_size": few}
    (model / "config.json").write_text(json.dumps(config))
    network, words = inference.load(model, Model(repo=str(model))), load(model)
    with pytest.raises(FarenseError, match="the tokenizer is not the model's") as caught:
        decoding.answer(network, words, "Quem?", 3)
    assert caught.value.detail == "it gives the token 258, and the model has 250, from 0 on"
    served = Models(Setup(repo=str(model), base="m"), cache_bytes=0)
    served.load_default()
    messages = [{"role": "user", "content": "Quem?"}]
    for asked in (Text(prompt="<|end|>"), Chat(messages=convert(messages, list[Message]))):
        with pytest.raises(Refusal, match="a token that the model has not: 25") as refusal:
            served.answer_length(asked, messages)
        assert refusal.value.status == 400
    assert served.answer_length(Text(prompt="Quem?"), [])
    run = make_run("r", model__repo=str(model))
    assert supervisor.launch(run).wait() == 3
    failure = state_of(run).failure
    assert failure is not None
    assert failure.title == "the tokenizer is not the model's"


@pytest.mark.parametrize("config", ["", "[]", "[" * 100_000, '{"a": 1', None])
def test_the_files_of_a_damaged_adapter_are_named(tmp_path: Path, config: str | None) -> None:
    """As an export reads them, before anything is written."""
    (tmp_path / "adapters.safetensors").write_bytes(b"" if config is None else b"\0" * 8)
    (tmp_path / "adapter_config.json").write_text("{}" if config is None else config)
    with pytest.raises(FarenseError, match="the adapter of mine cannot be loaded"):
        inference.adapter_files(tmp_path, "mine")


@pytest.mark.parametrize("scale", ["x", 10**400, math.nan, [1.0], None])
def test_a_scale_that_is_no_number_is_named(micro: Path, tmp_path: Path, scale: object) -> None:
    rows = {"lora_a": mx.zeros((32, 4)), "lora_b": mx.zeros((4, 32))}
    weights = {f"model.layers.1.self_attn.q_proj.{name}": value for name, value in rows.items()}
    mx.save_safetensors(str(tmp_path / "adapters.safetensors"), weights)
    config = tmp_path / "adapter_config.json"
    lora = {"rank": 4, "dropout": 0.0, "keys": ["self_attn.q_proj"]}

    def with_scale(scale: object) -> None:
        made = {"num_layers": 1, "lora_parameters": {**lora, "scale": scale}}
        config.write_text(json.dumps(made))

    with_scale(2.0)
    inference.load(micro, Model(repo=str(micro)), "mine", str(tmp_path))
    with_scale(scale)
    with pytest.raises(FarenseError, match="the adapter of mine cannot be loaded"):
        inference.load(micro, Model(repo=str(micro)), "mine", str(tmp_path))
    with_scale(2.0)
    whole = {name: value.astype(mx.int32) for name, value in weights.items()}
    mx.save_safetensors(str(tmp_path / "adapters.safetensors"), whole)
    with pytest.raises(FarenseError, match="the adapter of mine cannot be loaded"):
        inference.load(micro, Model(repo=str(micro)), "mine", str(tmp_path))
