"""Taking mlx_lm's model classes apart, and putting them together again, changes nothing."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest
from farense_worker.loop import trunk_cache
from farense_worker.model import split_forward
from farense_worker.protocol.plan import trunk

from tests.real_runs import RunMaker, finish

# As mlx_lm's classes want them; small, with 5 layers.
CONFIG: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 5,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "rms_norm_eps": 1e-5,
    "layer_norm_eps": 1e-5,
    "norm_eps": 1e-5,
    "vocab_size": 300,
    "max_position_embeddings": 512,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
    "attention_bias": False,
    "mlp_bias": False,
    "query_pre_attn_scalar": 16,
    "attn_logit_softcapping": 50.0,
    "final_logit_softcapping": 3.0,
    "sliding_window": 8,
    "sliding_window_pattern": 2,
    "logit_scale": 0.3,
    "embedding_multiplier": 2.0,
    "attention_multiplier": 0.25,
    "residual_multiplier": 0.5,
    "logits_scaling": 2.0,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "n_positions": 512,
    "n_ctx": 512,
    "n_embd": 64,
    "n_layer": 5,
    "n_head": 4,
    "layer_norm_epsilon": 1e-5,
    "partial_rotary_factor": 0.5,
    "use_qkv_bias": True,
}
KINDS = [
    *(kind for kind in trunk.KNOWN if kind != "mistral"),  # which mlx_lm loads as llama
    "mixtral",
    "cohere",
    "granite",
    "stablelm",
    "olmo2",
    "gpt2",
    "starcoder2",
]
TOKENS = [5, 6, 7, 8, 9, 10, 11, 12]


@pytest.mark.parametrize("kind", KINDS)
def test_attention_is_asked_for_without_an_array_as_a_mask(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an array Metal would have all scores at once: protocol/plan/step_memory.py `fused`."""
    masks, real = [], mx.fast.scaled_dot_product_attention

    def spied(*args: Any, mask: Any = None, **kwargs: Any) -> mx.array:
        masks.append(mask if isinstance(mask, str) else type(mask).__name__)
        return real(*args, mask=mask, **kwargs)

    monkeypatch.setattr(mx.fast, "scaled_dot_product_attention", spied)
    network = build(kind)
    network.train()
    network(mx.ones((2, 16), mx.int32))
    expected = {"gemma2": set(), "gemma3_text": {"causal", "array"}}
    assert set(masks) == expected.get(kind, {"causal"})


def build(kind: str, **changes: Any) -> nn.Module:
    module = import_module(f"mlx_lm.models.{kind}")
    mx.random.seed(2)
    config = CONFIG | {"model_type": kind} | changes
    model: nn.Module = module.Model(module.ModelArgs.from_dict(config))
    mx.eval(model.parameters())
    return model


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tied", [True, False])
def test_body_and_head_are_the_model(kind: str, tied: bool) -> None:
    model = build(kind, tie_word_embeddings=tied)
    parts = split_forward.find(model)
    assert parts is not None
    assert parts.model_type == kind
    assert split_forward.comes_apart(parts, TOKENS)
    inputs = mx.array([TOKENS * 2, TOKENS[::-1] * 2])
    assert mx.array_equal(model(inputs), parts.head(parts.body(inputs)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_split_anywhere_is_the_model(kind: str) -> None:
    model = build(kind)
    parts = split_forward.find(model)
    assert parts is not None
    inputs = mx.array([TOKENS * 2, TOKENS[::-1] * 2])
    whole = parts.body(inputs)
    for start in range(1, 5):
        assert split_forward.splits(parts, TOKENS, start)
        entering = parts.trunk(inputs, None, 0, start)
        assert mx.array_equal(whole, parts.top(inputs, entering, start))
    # layer by layer, as for a model that does not fit into memory
    entering = parts.trunk(inputs, None, 0, 1)
    for at in range(1, 4):
        entering = parts.trunk(inputs, entering, at, at + 1)
    parts.release(0, 4)
    assert sum(trunk_cache.nbytes(layer) for layer in parts.layers[:4]) == 0
    assert mx.array_equal(whole, parts.top(inputs, entering, 4))


def test_a_twin_shares_its_weights_and_not_its_call() -> None:
    linear = nn.Linear(4, 3)
    copy = split_forward.twin(linear, lambda x: x + 1)
    assert copy.weight is linear.weight
    assert isinstance(copy, nn.Linear)
    assert mx.array_equal(copy(mx.ones(4)), mx.full(4, 2.0))
    assert linear(mx.ones(4)).shape == (3,)
    bare = split_forward.twin(linear, lambda x: x, bare=True)
    assert dict(bare) == {}


class Shared(nn.Module):
    """A model whose last layer looks back at the first: it cannot be split between the two."""

    def __init__(self) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(20, 8)
        self.layers = [nn.Linear(8, 8) for _ in range(3)]

    def __call__(self, inputs: mx.array) -> mx.array:
        h = first = self.layers[0](self.embed_tokens(inputs))
        for layer in self.layers[1:]:
            h = layer(h) + first
        return h


class Whole(nn.Module):
    """The model around it. `head` belongs to the call, not to the inner model."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Shared()
        self.layers = self.model.layers

    def __call__(self, inputs: mx.array) -> mx.array:
        return self.model.embed_tokens.as_linear(self.model(inputs))


def test_what_does_not_split_is_told() -> None:
    mx.random.seed(0)
    model = Whole()
    parts = split_forward.find(model)
    if parts is None or parts.inner is not model.model:
        parts = split_forward.Anatomy(model, ((model, "model"),), model.model, "layers")
    assert split_forward.comes_apart(parts, TOKENS)
    assert not split_forward.splits(parts, TOKENS, 2)


def test_a_model_without_an_inner_one_is_not_taken_apart() -> None:
    assert split_forward.find(Shared()) is None
    assert split_forward.find(nn.Linear(2, 2)) is None


ODD = """
from mlx_lm.models.llama import LlamaModel, ModelArgs


class Model(LlamaModel):  # head and layers in one class: there is no inner model
    def __call__(self, inputs, cache=None):
        return self.embed_tokens.as_linear(super().__call__(inputs, cache))

    def sanitize(self, weights):
        return {name.removeprefix("model."): value for name, value in weights.items()}
"""


def test_what_does_not_come_apart_is_trained_the_plain_way_and_told(
    make_run: RunMaker, micro: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "odd"
    shutil.copytree(micro, odd)
    (odd / "odd.py").write_text(ODD)
    config = json.loads((odd / "config.json").read_text()) | {"model_file": "odd.py"}
    (odd / "config.json").write_text(json.dumps(config))
    settings: dict[str, Any] = {"lora__dropout": 0.0, "lora__num_layers": 1}
    plain = finish(make_run("plain", train__trunk_cache="off", **settings))
    state = finish(make_run("odd", model__repo=str(odd), model__trust_remote_code=True, **settings))
    assert "logits" in [notice.code for notice in state.notices]
    assert "logits" not in [notice.code for notice in plain.notices]
    assert [value for _, value in state.loss] == pytest.approx(
        [value for _, value in plain.loss], rel=1e-4
    )
