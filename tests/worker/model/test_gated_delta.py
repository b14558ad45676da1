"""Linear attention by MLX's function is what mlx_lm's steps make of it."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import mlx.core as mx
import pytest
from farense_worker.model import compat, loss
from farense_worker.model.as_trained import gated_delta
from mlx.utils import tree_flatten

from tests import micro_model

SIZES: dict[str, Any] = {
    "layers": 2, "linear_num_value_heads": 4, "linear_num_key_heads": 2,
    "linear_key_head_dim": 16, "linear_value_head_dim": 8, "linear_conv_kernel_dim": 4,
    "num_experts": 4, "num_experts_per_tok": 2, "decoder_sparse_step": 1,
    "shared_expert_intermediate_size": 32, "mlp_only_layers": [], "moe_intermediate_size": 32,
    "rope_theta": 1e4, "partial_rotary_factor": 0.5, "max_position_embeddings": 512,
    "head_dim": 16, "full_attention_interval": 2,
}  # fmt: skip
TOKENS = mx.array([[5, 6, 7, 8, 9, 10, 11], [40, 41, 42, 43, 44, 45, 46]])


@pytest.fixture
def theirs() -> Iterator[ModuleType]:
    """mlx_lm's module with its own steps, whatever was loaded before."""
    module = importlib.import_module("mlx_lm.models.gated_delta")
    before: Any = module.gated_delta_ops
    module.gated_delta_ops = getattr(before, "__wrapped__", before)  # type: ignore[attr-defined]
    yield module
    module.gated_delta_ops = before  # type: ignore[attr-defined]


def test_loss_and_gradients_of_a_model_are_the_same(tmp_path: Path, theirs: ModuleType) -> None:
    folder = micro_model.make(tmp_path / "model", kind="qwen3_next", **SIZES)
    network: Any = compat.load_model(folder)
    assert hasattr(theirs.gated_delta_ops, "__wrapped__"), "the steps were not replaced"
    network.train()
    function = loss.loss_and_gradient(network, loss.LabelLoss(network, None), compiled=False)
    batch = (TOKENS, mx.arange(14), TOKENS.reshape(-1) + 1, mx.ones(14))
    ours = function(mx.array(1 / 14), *batch)
    theirs.gated_delta_ops = theirs.gated_delta_ops.__wrapped__  # type: ignore[attr-defined]
    value, gradients = function(mx.array(1 / 14), *batch)
    assert float(ours[0]) == pytest.approx(float(value), rel=1e-6)
    assert loss.scalar(loss.norm(ours[1])) == pytest.approx(
        loss.scalar(loss.norm(gradients)), rel=1e-5
    )
    there = dict(tree_flatten(gradients))
    assert any(".linear_attn." in name for name in there)
    for name, gradient in tree_flatten(ours[1]):
        assert mx.allclose(gradient, there[name], rtol=1e-4, atol=1e-6), name


def test_masks_and_gates_by_dimension_stay_with_mlx_lm(theirs: ModuleType) -> None:
    taken = []

    def steps(*given: Any) -> str:
        taken.append(given)
        return "steps"

    rule = gated_delta.by_mlx(steps)
    gate, each = mx.ones((1, 2, 3)), mx.ones((1, 2, 3, 4))
    assert rule(each, each, each, each, gate) == "steps"
    assert rule(each, each, each, gate, gate, None, mx.ones((1, 2))) == "steps"
    assert len(taken) == 2


def test_nothing_is_replaced_twice(theirs: ModuleType) -> None:
    compat.train_gated_delta()
    once = theirs.gated_delta_ops
    compat.train_gated_delta()
    assert theirs.gated_delta_ops is once


def test_what_mlx_lms_steps_take(theirs: ModuleType) -> None:
    taken = list(inspect.signature(theirs.gated_delta_ops).parameters)
    version = metadata.version("mlx-lm")
    assert taken == ["q", "k", "v", "g", "beta", "state", "mask"], f"mlx_lm {version}: {taken}"
    assert "gated_delta_ops(" in inspect.getsource(theirs.gated_delta_update)
