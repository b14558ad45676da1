"""Adapters in the formats of others: what peft and llama.cpp make of them is what we do."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from farense_worker.model import inference, peft, trainable
from farense_worker.model import model as loading
from farense_worker.process.output import unheard
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Model
from farense_worker.tasks import fuse, gguf, gguf_lora
from mlx.utils import tree_flatten

from tests import micro_model
from tests.others import under_llama_cpp, under_torch
from tests.real_runs import RunMaker, finish, state_of
from tests.worker.tasks.test_export import ask, sentencepiece

TOKENS = list(range(40, 80))


def adapter(run: RunFolder) -> tuple[dict[str, mx.array], dict[str, Any]]:
    weights: Any = mx.load(str(run.adapters / "adapters.safetensors"))
    return weights, json.loads((run.adapters / "adapter_config.json").read_text())


def ours(model: Path, made: str = "") -> Any:
    network = inference.load(model, Model(repo=str(model)), "", made)
    return np.array(network(mx.array([TOKENS]))[0].astype(mx.float32))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, micro: Path, data: Path) -> RunFolder:
    folder = RunMaker(tmp_path_factory.mktemp("runs"), micro, data)("club")
    finish(folder)
    return folder


# ---- written ------------------------------------------------------------------------------------


def test_what_is_written_for_peft_reads_back_as_it_was(trained: RunFolder, tmp_path: Path) -> None:
    made = ask(trained, tmp_path / "out", peft=True)
    part = next(part for part in made.parts if part.path == "peft")
    assert part.verified
    assert part.verified.kept == 1.0
    config = json.loads((tmp_path / "out/peft/adapter_config.json").read_text())
    assert (config["r"], config["base_model_name_or_path"]) == (4, "owner/base")
    read, like = peft.read(tmp_path / "out" / "peft", config)
    weights, own = adapter(trained)
    assert read.keys() == weights.keys()
    assert all(mx.array_equal(read[name], weights[name]) for name in weights)
    assert like["lora_parameters"]["scale"] == own["lora_parameters"]["scale"]


@pytest.mark.skipif(not under_torch.there(), reason="torch and peft: FARENSE_PEFT_PYTHON names one")
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("llama", {}),
        ("llama", {"lora__num_layers": 1}),
        ("llama", {"train__fine_tune_type": "dora", "lora__dropout": 0.0}),
        ("llama", {"lora__keys": ("q_proj", "embed_tokens"), "tie_word_embeddings": False}),
        ("qwen2", {}),
        ("qwen3", {"head_dim": 16}),
        ("gemma2", {}),
        ("mistral", {}),
    ],
    ids=str,
)
def test_transformers_and_peft_give_the_same_logits(
    kind: str, settings: dict[str, Any], tmp_path: Path, data: Path
) -> None:
    more = {key: settings[key] for key in settings if "__" not in key}
    settings = {key: settings[key] for key in settings if "__" in key}
    of_kind: dict[str, dict[str, Any]] = {
        "gemma2": {"query_pre_attn_scalar": 16, "head_dim": 16},
        "mistral": {},
    }
    model = micro_model.make(
        tmp_path / "model",
        kind="llama" if kind == "mistral" else kind,
        **{"max_position_embeddings": 512, "rope_theta": 10000.0, **of_kind.get(kind, {}), **more},
    )
    config = json.loads((model / "config.json").read_text()) | {"model_type": kind}
    (model / "config.json").write_text(json.dumps(config))
    run = RunMaker(tmp_path / "runs", model, data)("run", train__epochs=1, **settings)
    finish(run)
    weights, like = adapter(run)
    embeddings = frozenset({"model.embed_tokens"})
    made, written = peft.made_of(weights, like, base=str(model), layers=2, embeddings=embeddings)
    (tmp_path / "peft").mkdir()
    peft.write(tmp_path / "peft", made, written)
    base = under_torch.logits(model, None, TOKENS, tmp_path / "base.npy")
    theirs = under_torch.logits(model, tmp_path / "peft", TOKENS, tmp_path / "peft.npy")
    mine = ours(model, str(run.adapters))
    effect = np.abs(theirs - base).max()
    print(kind, settings, "difference", np.abs(theirs - mine).max(), "effect", effect)
    assert effect > 0.05
    assert np.abs(theirs - mine).max() < 1e-3 * max(1.0, effect)


def test_experts_and_tied_heads_have_no_place_in_peft() -> None:
    weights = {"model.layers.0.mlp.experts.lora_a": mx.zeros((4, 2, 8))}
    like = {"fine_tune_type": "lora", "lora_parameters": {"rank": 2, "scale": 1.0}}
    with pytest.raises(FarenseError, match="cannot be written as peft"):
        peft.made_of(weights, like, base="b", layers=1)
    with pytest.raises(FarenseError, match="cannot be written as peft"):
        peft.made_of({}, {"fine_tune_type": "full"}, base="b", layers=1)
    tied = {"model.embed_tokens.lora_a": mx.zeros((8, 2))}
    names = frozenset({"model.embed_tokens"})
    with pytest.raises(FarenseError, match="cannot be written as peft"):
        peft.made_of(tied, like, base="b", layers=1, embeddings=names, tied=True)


def test_dora_on_an_embedding_has_no_place_in_peft() -> None:
    like = {"fine_tune_type": "dora", "lora_parameters": {"rank": 2, "scale": 1.0}}
    weights = {"model.embed_tokens.m": mx.zeros((8,))}
    names = frozenset({"model.embed_tokens"})
    with pytest.raises(FarenseError, match="cannot be written as peft") as caught:
        peft.made_of(weights, like, base="b", layers=1, embeddings=names)
    assert "DoRA" in caught.value.detail


def test_layers_that_may_have_other_names_in_transformers_are_told() -> None:
    assert all(peft.remark(kind) == "" for kind in gguf_lora.ARCHITECTURES)
    assert "missing adapter keys" in peft.remark("gpt2")  # transformer.h there, model.h here


def test_what_is_written_for_llama_cpp_is_what_it_reads(trained: RunFolder, tmp_path: Path) -> None:
    package = pytest.importorskip("gguf")
    made = ask(trained, tmp_path / "out", gguf_lora=True)
    part = next(part for part in made.parts if part.path.endswith(".gguf"))
    assert part.verified
    assert part.verified.kept > 0.999999
    file = package.GGUFReader(tmp_path / "out" / part.path)
    fields = {name: field.contents() for name, field in file.fields.items()}
    assert fields["general.type"] == "adapter"
    assert fields["adapter.type"] == "lora"
    assert fields["general.architecture"] == "llama"
    scale = adapter(trained)[1]["lora_parameters"]["scale"]
    assert fields["adapter.lora.alpha"] == pytest.approx(scale * 4)
    tensors = {tensor.name: list(tensor.shape) for tensor in file.tensors}
    assert tensors["blk.0.attn_q.weight.lora_a"] == [32, 4]  # ggml's order: the inner one first
    assert tensors["blk.0.attn_q.weight.lora_b"] == [4, 32]


@pytest.mark.skipif(
    not under_llama_cpp.there(), reason="llama-cpp-python: FARENSE_LLAMA_CPP_PYTHON names one"
)
@pytest.mark.parametrize("settings", [{}, {"lora__num_layers": 1, "lora__rank": 6}], ids=str)
def test_llama_cpp_gives_the_same_logits(
    settings: dict[str, Any], tmp_path: Path, data: Path
) -> None:
    pytest.importorskip("gguf")
    model = sentencepiece(tmp_path / "model")
    run = RunMaker(tmp_path / "runs", model, data)("run", train__epochs=1, **settings)
    finish(run)
    weights, like = adapter(run)
    config = json.loads((model / "config.json").read_text())
    network = inference.load(model, Model(repo=str(model)))
    gguf.write(model, fuse.as_half(network), tmp_path / "base.gguf")
    gguf_lora.write(tmp_path / "lora.gguf", weights, config, like, "run")
    there = (tmp_path / "base.gguf", tmp_path / "lora.gguf")
    base = under_llama_cpp.logits(there[0], None, TOKENS, tmp_path / "base.npy")
    theirs = under_llama_cpp.logits(*there, TOKENS, tmp_path / "lora.npy")
    mine, mine_alone = ours(model, str(run.adapters)), ours(model)
    effect = np.abs(mine - mine_alone).max()
    print("alone", np.abs(base - mine_alone).max(), "with", np.abs(theirs - mine).max(), effect)
    assert effect > 0.05
    assert np.abs(theirs - mine).max() < 0.02 * max(1.0, effect)  # their weights are float16
    assert np.array_equal(theirs.argmax(-1), mine.argmax(-1))


# model_type in config.json: what the made model of it takes besides.
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {},
    "qwen3": {"head_dim": 16},
    "gemma": {"head_dim": 16},
    "gemma2": {"head_dim": 16, "query_pre_attn_scalar": 16},
    "gemma3_text": {
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
        "sliding_window": 64,
        "sliding_window_pattern": 2,
    },
}


def drawn(folder: Path, kind: str) -> tuple[Path, dict[str, Any], dict[str, mx.array]]:
    """A made model of a family, and an adapter drawn by lot on all its layers, in folder/made."""
    bounds: dict[str, Any] = {"max_position_embeddings": 512, "rope_theta": 10000.0}
    model = micro_model.make(folder / "model", kind=kind, **bounds, **FAMILIES[kind])
    mx.random.seed(1)
    weights = {}
    for name, module in inference.load(model, Model(repo=str(model))).named_modules():
        if isinstance(module, nn.Linear) and ".layers." in name:
            rows, columns = module.weight.shape
            weights[f"{name}.lora_a"] = mx.random.normal((columns, 4)) / columns**0.5
            weights[f"{name}.lora_b"] = mx.random.normal((4, rows)) * 0.3
    keys = sorted({name.split(".", 3)[3].rpartition(".")[0] for name in weights})
    lora = {"rank": 4, "scale": 2.0, "dropout": 0.0, "keys": keys}
    like = {"fine_tune_type": "lora", "num_layers": 2, "lora_parameters": lora}
    made = folder / "made"
    made.mkdir()
    mx.save_safetensors(str(made / "adapters.safetensors"), weights)
    (made / "adapter_config.json").write_text(json.dumps(like))
    return model, like, weights


@pytest.mark.parametrize("kind", sorted(FAMILIES))
def test_every_family_s_adapter_has_its_places_in_llama_cpp(kind: str, tmp_path: Path) -> None:
    package = pytest.importorskip("gguf")
    model, like, weights = drawn(tmp_path, kind)
    config = json.loads((model / "config.json").read_text())
    gguf_lora.write(tmp_path / "lora.gguf", weights, config, like, "drawn")
    layers = gguf_lora.layers_of(weights)
    assert len(layers) == 14
    read, scale = gguf_lora.read(tmp_path / "lora.gguf", config, layers)
    assert scale == pytest.approx(2.0)
    assert all(mx.array_equal(read[name], weights[name]) for name in weights)
    arch = gguf_lora.ARCHITECTURES[kind]
    number = {value: key for key, value in package.MODEL_ARCH_NAMES.items()}[arch]
    known = {
        package.TENSOR_NAMES[tensor].format(bid=layer)
        for tensor in package.MODEL_TENSORS[number]
        for layer in range(2)
    }
    file = package.GGUFReader(tmp_path / "lora.gguf")
    assert {tensor.name.rpartition(".weight")[0] for tensor in file.tensors} <= known


@pytest.mark.skipif(
    not under_llama_cpp.there(), reason="llama-cpp-python: FARENSE_LLAMA_CPP_PYTHON names one"
)
@pytest.mark.parametrize("kind", sorted(FAMILIES))
def test_llama_cpp_takes_every_family_s_adapter(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    from tests.others import llama_cpp_base

    model, like, weights = drawn(tmp_path, kind)
    config = json.loads((model / "config.json").read_text())
    network = inference.load(model, Model(repo=str(model)))
    llama_cpp_base.write(tmp_path / "base.gguf", network, config)
    gguf_lora.write(tmp_path / "lora.gguf", weights, config, like, "drawn")
    there = (tmp_path / "base.gguf", tmp_path / "lora.gguf")
    theirs = under_llama_cpp.logits(*there, TOKENS, tmp_path / "lora.npy")
    mine = ours(model, str(tmp_path / "made"))
    effect = np.abs(mine - ours(model)).max()
    print(kind, "with", np.abs(theirs - mine).max(), "effect", effect)
    assert effect > 1
    assert np.abs(theirs - mine).max() < 0.02 * effect  # keys, values and GELU are float16 there


def test_rows_are_turned_as_llama_cpp_turns_them() -> None:
    """LlamaModel.permute of its conversion, and mlx_lm's, which is the same."""
    from farense_worker.model.compat import permute_weights

    rows = np.arange(64 * 3, dtype=np.float32).reshape(64, 3)
    for heads in (2, 4):
        turned = gguf_lora._turned(rows, heads)
        assert np.array_equal(turned, np.array(permute_weights(mx.array(rows), heads)))
        assert np.array_equal(gguf_lora._turned(turned, heads, back=True), rows)


def test_what_llama_cpp_has_no_adapters_of() -> None:
    assert "not of" in gguf_lora.obstacle({"model_type": "phixtral"}, {})
    assert "no others" in gguf_lora.obstacle({"model_type": "llama"}, {"fine_tune_type": "dora"})
    assert gguf_lora.obstacle({"model_type": "qwen3"}, {"fine_tune_type": "lora"}) == ""


# ---- read ---------------------------------------------------------------------------------------


def foreign(folder: Path, run: RunFolder, **changes: Any) -> Path:
    """The run's adapter as peft has it, its configuration changed."""
    weights, like = adapter(run)
    made, config = peft.made_of(weights, like, base="b", layers=2)
    folder.mkdir()
    peft.write(folder, made, {**config, **changes})
    return folder


def test_a_run_begins_where_a_peft_adapter_ends(
    trained: RunFolder, make_run: RunMaker, tmp_path: Path
) -> None:
    from_peft = make_run("p", model__adapter=str(foreign(tmp_path / "peft", trained)))
    from_own = make_run("o", model__adapter=str(trained.adapters))
    for run in (from_peft, from_own):
        finish(run)
    first, second = (state_of(run) for run in (from_peft, from_own))
    assert first.loss == second.loss
    assert state_of(trained).loss != first.loss


def test_rslora_is_a_scale_and_nothing_else(trained: RunFolder, tmp_path: Path) -> None:
    _weights, like = adapter(trained)
    wanted = like["lora_parameters"]["scale"]
    folder = foreign(tmp_path / "rs", trained, use_rslora=True, lora_alpha=wanted * 2)
    config = json.loads((folder / "adapter_config.json").read_text())
    assert peft.read(folder, config)[1]["lora_parameters"]["scale"] == wanted  # alpha / sqrt(4)


def test_an_alpha_of_one_layer_is_in_its_weights(trained: RunFolder, tmp_path: Path) -> None:
    _weights, like = adapter(trained)
    alpha = like["lora_parameters"]["scale"] * 4
    folder = foreign(tmp_path / "a", trained, alpha_pattern={"q_proj": alpha * 3})
    config = json.loads((folder / "adapter_config.json").read_text())
    read, weights = peft.read(folder, config)[0], adapter(trained)[0]
    q, v = "model.layers.0.self_attn.q_proj.lora_b", "model.layers.0.self_attn.v_proj.lora_b"
    assert mx.allclose(read[q], 3 * weights[q])
    assert mx.array_equal(read[v], weights[v])


@pytest.mark.parametrize(
    "key", ["q_proj|k_proj", r"layers\.\d\.self_attn\.q_proj", r"^model\.layers.*\.q_proj"]
)
def test_alphas_go_by_patterns(trained: RunFolder, tmp_path: Path, key: str) -> None:
    """They were taken for names, and those that are none for nothing."""
    _weights, like = adapter(trained)
    alpha = like["lora_parameters"]["scale"] * 4
    folder = foreign(tmp_path / "a", trained, alpha_pattern={key: alpha / 2})
    config = json.loads((folder / "adapter_config.json").read_text())
    read, weights = peft.read(folder, config)[0], adapter(trained)[0]
    q, v = "model.layers.1.self_attn.q_proj.lora_b", "model.layers.1.self_attn.v_proj.lora_b"
    assert mx.allclose(read[q], weights[q] / 2)
    assert mx.array_equal(read[v], weights[v])


def test_an_adapter_in_other_floats_is_trained_in_its_own(
    trained: RunFolder, micro: Path, tmp_path: Path
) -> None:
    """Adapters of peft mostly are bfloat16, and so was what was trained then."""
    config = trained.read_config()
    folder = foreign(tmp_path / "half", trained)
    weights: Any = mx.load(str(folder / peft.WEIGHTS))
    halves = {name: value.astype(mx.bfloat16) for name, value in weights.items()}
    mx.eval(halves)
    mx.save_safetensors(str(folder / peft.WEIGHTS), halves)
    network = loading.load(micro, config.model)
    trainable.make_trainable(network, config, unheard())
    trainable.start_from(network, folder, config.lora, unheard())
    begun = dict(tree_flatten(network.trainable_parameters()))
    assert {value.dtype for value in begun.values()} == {mx.float32}
    own = adapter(trained)[0]
    assert all(mx.allclose(begun[name], own[name], atol=1e-2) for name in own)


@pytest.mark.parametrize(
    "damage", [b"[]", b"null", b"3", b'{"lora_parameters": "x"}', b"[" * 100_000, b"\xff"]
)
def test_a_configuration_that_is_none_is_refused(
    trained: RunFolder, micro: Path, tmp_path: Path, damage: bytes
) -> None:
    folder = foreign(tmp_path / "x", trained)
    (folder / "adapter_config.json").write_bytes(damage)
    config = trained.read_config()
    network = loading.load(micro, config.model)
    trainable.make_trainable(network, config, unheard())
    with pytest.raises(FarenseError, match="there is no adapter in"):
        trainable.start_from(network, folder, config.lora, unheard())


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"bias": "all"}, "bias"),
        ({"lora_bias": True}, "lora_bias"),
        ({"rank_pattern": {"q_proj": 16}}, "rank_pattern"),
        ({"peft_type": "IA3"}, "IA3"),
        ({"init_lora_weights": "pissa_niter_4"}, "pissa"),
        ({"target_parameters": ["experts"]}, "target_parameters"),
        ({"trainable_token_indices": [1]}, "trainable_token_indices"),
        ({"r": "8"}, "r or lora_alpha"),
        ({"r": 0}, "r or lora_alpha"),
        ({"r": True}, "r or lora_alpha"),
        ({"r": 8}, "r is 8, and base_model"),  # its weights have 4
        ({"lora_alpha": float("nan")}, "r or lora_alpha"),
        ({"alpha_pattern": {"q_proj": "16"}}, "r or lora_alpha"),
        ({"alora_invocation_tokens": [1, 2]}, "alora_invocation_tokens: what it does is not known"),
        ({"use_qalora": True}, "use_qalora: what it does"),
        ({"init_lora_weights": "lora_ga"}, "lora_ga changed the base"),
        ({"init_lora_weights": "new"}, "init_lora_weights: new: what it does"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_more_than_add_to_weights_is_refused(
    trained: RunFolder, tmp_path: Path, changes: dict[str, Any], word: str
) -> None:
    folder = foreign(tmp_path / "x", trained, **changes)
    config = json.loads((folder / "adapter_config.json").read_text())
    with pytest.raises(FarenseError, match="cannot be started from") as caught:
        peft.read(folder, config)
    assert word in caught.value.detail
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"lora_alpha": 10**400},
        {"r": 10**400, "use_rslora": True},
        {"alpha_pattern": {"q_proj": 10**400}},
        {"alpha_pattern": {"(": 1}},
        {"alpha_pattern": {"(([a-z_.0-9])+)+X": 2}},  # tried in more ways than can be
        {"alpha_pattern": {".*.*.*.*.*.*X": 2}},
        {},  # a pipe in place of its weights
    ],
    ids=lambda changes: "-".join(changes) or "pipe",
)
def test_a_peft_adapter_that_is_damaged_is_refused(
    trained: RunFolder, micro: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    folder = foreign(tmp_path / "x", trained, **changes)
    if not changes:
        (folder / peft.WEIGHTS).unlink()
        os.mkfifo(folder / peft.WEIGHTS)
    config = trained.read_config()
    network = loading.load(micro, config.model)
    trainable.make_trainable(network, config, unheard())
    with pytest.raises(FarenseError, match="there is no adapter in") as caught:
        trainable.start_from(network, folder, config.lora, unheard())
    assert caught.value.exit_code == 3


def test_weights_that_run_programs_are_not_read(trained: RunFolder, tmp_path: Path) -> None:
    folder = foreign(tmp_path / "bin", trained)
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    config = json.loads((folder / "adapter_config.json").read_text())
    with pytest.raises(FarenseError, match="cannot be started from") as caught:
        peft.read(folder, config)
    assert "any program" in caught.value.detail
