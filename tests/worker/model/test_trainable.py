"""What is trained of a model: experts, routers, heads and whole modules, as mlx_lm reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest
from farense_worker.model import inference, loss, model, split_forward, trainable
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.plan import model_shape
from farense_worker.protocol.settings.profile import Config, Profile, Run, replace_setting
from mlx.utils import tree_flatten, tree_map

from tests import micro_model

MOE: dict[str, dict[str, Any]] = {
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen2_moe": {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 32,
        "shared_expert_intermediate_size": 32,
    },
    "qwen3_moe": {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 32,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "norm_topk_prob": True,
        "head_dim": 16,
        "max_position_embeddings": 512,
        "rope_theta": 10000.0,
    },
    "olmoe": {"num_experts": 4, "num_experts_per_tok": 2},
}
EXPERTS = {"gate_proj", "up_proj", "down_proj"}


class Heard:
    """Keeps what is told."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def emit(self, event: Any) -> None:
        self.events.append(event)

    def codes(self) -> list[str]:
        return [event.code for event in self.events]


def config_of(folder: Path, **settings: Any) -> Config:
    profile = replace_setting(Profile(), "model.repo", str(folder))
    for name, value in settings.items():
        profile = replace_setting(profile, name.replace("__", "."), value)
    sections = {name: getattr(profile, name) for name in profile.__struct_fields__}
    return Config(**sections, run=Run("r"))


def made(folder: Path, **settings: Any) -> tuple[Any, dict[str, Any], Heard]:
    config, heard = config_of(folder, **settings), Heard()
    network = model.load(folder, config.model)
    mx.random.seed(1)
    return network, trainable.make_trainable(network, config, heard), heard  # type: ignore[arg-type]


def trained_names(network: nn.Module) -> set[str]:
    return {name.rpartition(".")[0] for name, _ in tree_flatten(network.trainable_parameters())}


def gradient(network: nn.Module) -> dict[str, mx.array]:
    """Gradient of the label loss, by name."""
    parts = split_forward.find(network)
    assert parts is not None
    assert split_forward.comes_apart(parts, [1, 2, 3, 4])
    share = loss.loss_and_gradient(network, loss.LabelLoss(network, parts), compiled=False)
    inputs = mx.array([[5, 6, 7, 8, 9, 10, 11, 12]])
    labels = [mx.arange(8), mx.array([6, 7, 8, 9, 10, 11, 12, 13]), mx.ones(8)]
    _value, gradients = share(mx.array(0.125), inputs, *labels)
    return dict(tree_flatten(gradients))


def plain_gradient(network: nn.Module) -> dict[str, mx.array]:
    """The same by all logits, and nothing taken apart."""

    def mean(tokens: mx.array) -> mx.array:
        logits = network(tokens)[0].astype(mx.float32)
        targets = mx.array([6, 7, 8, 9, 10, 11, 12, 13])
        return nn.losses.cross_entropy(logits, targets).mean()

    _value, gradients = nn.value_and_grad(network, mean)(mx.array([[5, 6, 7, 8, 9, 10, 11, 12]]))
    return dict(tree_flatten(gradients))


def shaken(network: nn.Module) -> None:
    """Give every trained weight a value that makes a difference."""
    network.update(tree_map(lambda w: w + 0.05, network.trainable_parameters()))


def saved(network: nn.Module, adapter_config: dict[str, Any], folder: Path) -> Path:
    folder.mkdir()
    weights = dict(tree_flatten(network.trainable_parameters()))
    mx.save_safetensors(str(folder / "adapters.safetensors"), weights)
    (folder / "adapter_config.json").write_text(json.dumps(adapter_config))
    return folder


@pytest.mark.parametrize("kind", MOE)
def test_experts_get_adapters_and_mlx_lm_reads_them(kind: str, tmp_path: Path) -> None:
    from mlx_lm import load

    folder = micro_model.make(tmp_path / "m", kind=kind, tie_word_embeddings=False, **MOE[kind])
    keys = ("q_proj", *EXPERTS, "gate", "lm_head")
    network, adapter_config, heard = made(folder, lora__keys=keys)
    assert heard.codes() == []
    shape = model_shape.read(folder)
    assert shape is not None
    counted = shape.trained(config_of(folder, lora__keys=keys))
    assert counted.parameters == model.count(network).trainable
    names = trained_names(network)
    assert {name.rpartition(".")[2] for name in names if "switch_mlp" in name} >= EXPERTS
    assert any(name.endswith(".gate") for name in names)
    assert "lm_head" in names
    shaken(network)
    mine, plain = gradient(network), plain_gradient(network)
    assert mine.keys() == plain.keys()
    for name, value in plain.items():
        assert mx.allclose(mine[name], value, rtol=1e-4, atol=1e-6), name
    adapter = saved(network, adapter_config, tmp_path / "adapter")
    theirs, _ = load(str(folder), adapter_path=str(adapter))
    tokens = mx.array([[5, 6, 7]])
    network.eval()
    assert mx.allclose(theirs(tokens), network(tokens), rtol=1e-5, atol=1e-5)
    ours = inference.load(folder, config_of(folder).model, "x", str(adapter))
    assert mx.allclose(ours(tokens), network(tokens), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["llama", "mixtral"])
def test_all_linear_is_what_mlx_lm_adapts_without_keys(kind: str, tmp_path: Path) -> None:
    from mlx_lm.tuner.utils import linear_to_lora_layers

    folder = micro_model.make(tmp_path / "m", kind=kind, **MOE.get(kind, {}))
    network, adapter_config, _ = made(folder, lora__keys=("all-linear",), lora__num_layers=1)
    theirs: Any = model.load(folder, config_of(folder).model)
    linear_to_lora_layers(theirs, 1, {"rank": 8, "scale": 16.0, "dropout": 0.0})
    assert trained_names(network) == trained_names(theirs)
    shaken(theirs)
    adapter = saved(theirs, adapter_config, tmp_path / "theirs")
    heard: Any = Heard()
    trainable.start_from(network, adapter, config_of(folder).lora, heard)
    tokens = mx.array([[5, 6, 7]])
    assert mx.allclose(theirs(tokens), network(tokens), rtol=1e-5, atol=1e-5)


def test_dora_on_experts_is_refused(tmp_path: Path) -> None:
    folder = micro_model.make(tmp_path / "m", kind="mixtral", **MOE["mixtral"])
    with pytest.raises(FarenseError, match="cannot be adapted") as caught:
        made(folder, train__fine_tune_type="dora")
    assert "switch_mlp.gate_proj" in caught.value.detail
    network, _, _ = made(folder, train__fine_tune_type="dora", lora__keys=("q_proj",))
    assert {name.rpartition(".")[2] for name in trained_names(network)} == {"q_proj"}


@pytest.mark.parametrize(("bits", "refused"), [(3, True), (4, False), (5, True), (6, True)])
def test_dora_on_uneven_bits_is_refused(bits: int, refused: bool, tmp_path: Path) -> None:
    folder = micro_model.make(tmp_path / "m", hidden=64, bits=bits)
    if refused:
        with pytest.raises(FarenseError, match="cannot be adapted") as caught:
            made(folder, train__fine_tune_type="dora")
        assert "3, 5 or 6 bits" in caught.value.detail
    else:
        network, _, _ = made(folder, train__fine_tune_type="dora")
        assert network(mx.array([[1, 2]])).shape == (1, 2, 288)
    made(folder)  # lora goes


def test_what_full_leaves_frozen_is_named_and_may_be_trained(tmp_path: Path) -> None:
    folder = micro_model.make(tmp_path / "m", tie_word_embeddings=False)
    network, _, heard = made(folder, train__fine_tune_type="full")
    (notice,) = heard.events
    assert notice.message.endswith("lm_head, model.embed_tokens, model.norm stay as they are")
    assert trainable.beside_the_layers(network) == []
    every = ("embed_tokens", "norm", "lm_head")
    network, adapter_config, heard = made(
        folder, train__fine_tune_type="full", train__modules=every
    )
    assert heard.codes() == []
    beside = set(trainable.beside_the_layers(network))
    assert beside == {"model.embed_tokens", "model.norm", "lm_head"}
    mine, plain = gradient(network), plain_gradient(network)
    assert mine.keys() == plain.keys()
    for name, value in plain.items():
        assert mx.allclose(mine[name], value, rtol=1e-4, atol=1e-6), name
    shaken(network)
    adapter = saved(network, adapter_config, tmp_path / "adapter")
    ours = inference.load(folder, config_of(folder).model, "x", str(adapter))
    tokens = mx.array([[5, 6, 7]])
    assert mx.allclose(ours(tokens), network(tokens), rtol=1e-5, atol=1e-5)


def test_a_tied_head_is_trained_through_both_its_uses(tmp_path: Path) -> None:
    folder = micro_model.make(tmp_path / "m")
    settings = {"train__fine_tune_type": "full", "train__modules": ("embed_tokens",)}
    network, _, _ = made(folder, **settings)
    mine, plain = gradient(network), plain_gradient(network)
    name = "model.embed_tokens.weight"
    assert mx.allclose(mine[name], plain[name], rtol=1e-4, atol=1e-6)


def test_a_module_that_is_not_there_is_refused(tmp_path: Path) -> None:
    folder = micro_model.make(tmp_path / "m")
    with pytest.raises(FarenseError, match="the model has no lm_head"):
        made(folder, train__fine_tune_type="full", train__modules=("lm_head",))


@pytest.mark.parametrize(
    ("theirs", "told"),
    [
        ({"model": "mlx-community/Qwen3-1.7B-4bit"}, False),
        ({"model": "mlx-community/Qwen3-1.7B-mxfp4"}, False),
        ({"model": "/home/x/models--Qwen--Qwen3-1.7B/snapshots/abc"}, False),
        ({"base_model_name_or_path": "unsloth/qwen3-1.7b-unsloth-bnb-4bit", "peft_type": 1}, False),
        ({"model": "Qwen/Qwen3-1.7B-Base"}, True),
        ({"base_model_name_or_path": "Qwen/Qwen2.5-1.5B", "peft_type": "LORA"}, True),
        ({"model": None}, False),
        ({}, False),
    ],
)
def test_an_adapter_of_another_base_is_told(
    tmp_path: Path, theirs: dict[str, Any], told: bool
) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps(theirs))
    assert bool(trainable.of_another_base(tmp_path, "Qwen/Qwen3-1.7B")) == told


@pytest.mark.parametrize("kind", ["lora", "dora"])
def test_an_adapter_of_another_scale_keeps_its_effect(kind: str, tmp_path: Path) -> None:
    folder = micro_model.make(tmp_path / "m")
    theirs, adapter_config, _ = made(folder, lora__scale=20.0, train__fine_tune_type=kind)
    shaken(theirs)
    adapter = saved(theirs, adapter_config, tmp_path / "adapter")
    network, _, heard = made(folder, lora__scale=16.0, train__fine_tune_type=kind)
    trainable.start_from(network, adapter, config_of(folder).lora, heard)  # type: ignore[arg-type]
    assert heard.codes() == ["adapter_scale"]
    tokens = mx.array([[5, 6, 7]])
    assert mx.allclose(theirs(tokens), network(tokens), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("fault", ["scale", "nan"])
def test_an_adapter_that_cannot_be_started_from(fault: str, tmp_path: Path) -> None:
    folder = micro_model.make(tmp_path / "m")
    network, adapter_config, heard = made(folder)
    if fault == "scale":
        del adapter_config["lora_parameters"]["scale"]
    else:
        network.update(tree_map(lambda w: w * mx.nan, network.trainable_parameters()))
    adapter = saved(network, adapter_config, tmp_path / "adapter")
    words = {"scale": "does not tell its scale", "nan": "weights that are no numbers"}
    with pytest.raises(FarenseError, match=words[fault]):
        trainable.start_from(network, adapter, config_of(folder).lora, heard)  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "adds"), [("lora", True), ("dora", True), ("full", False)])
def test_all_parameters_are_those_of_the_model_and_of_the_adapter(
    kind: str, adds: bool, tmp_path: Path
) -> None:
    from mlx_lm import load

    folder = micro_model.make(tmp_path / "m")
    base, _tokenizer = load(str(folder))[:2]
    of_base = sum(value.size for _, value in tree_flatten(base.parameters()))
    network, _config, _heard = made(folder, train__fine_tune_type=kind)
    found = model.count(network)
    trained = sum(value.size for _, value in tree_flatten(network.trainable_parameters()))
    assert found.trainable == trained
    assert found.total == of_base + adds * trained
