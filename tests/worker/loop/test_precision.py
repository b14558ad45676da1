"""Weights of 16 bits: trained in float32, and never a number that is none."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import pytest
from farense_worker.loop.master_weights import MasterWeights, where_needed
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.runs import supervisor
from tests import holding
from tests.real_runs import RunMaker, finish, results, state_of

FULL: dict[str, Any] = {"train__fine_tune_type": "full", "train__learning_rate": 1e-3}
MODES: dict[str, dict[str, Any]] = {
    "lora float16": {"model__dtype": "float16"},
    "dora bfloat16": {"model__dtype": "bfloat16", "train__fine_tune_type": "dora"},
    "full float32": FULL,
    "full float16": FULL | {"model__dtype": "float16"},
    "full bfloat16": FULL | {"model__dtype": "bfloat16"},
}


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_full_training_in_16_bits_learns_what_float32_learns(make_run: RunMaker, kind: str) -> None:
    exact = finish(make_run("exact", **FULL))
    folder = make_run(kind, model__dtype=kind, **FULL)
    half = finish(folder)
    pairs = zip(half.loss, exact.loss, strict=True)
    assert all(a[1] == pytest.approx(b[1], rel=0.03) for a, b in pairs)
    stopped = make_run("stopped", model__dtype=kind, **FULL)
    assert holding.stop_at(stopped, 5) == 130
    finish(stopped)
    assert results(stopped) == results(folder)
    newest = folder.checkpoints()[-1].path
    weights, state = (
        _arrays(newest / "adapters.safetensors"),
        _arrays(newest / "optimizer.safetensors"),
    )
    for name, value in weights.items():
        assert str(value.dtype) == f"mlx.core.{kind}"
        assert mx.array_equal(state[f"master.{name}"].astype(value.dtype), value)


@pytest.mark.parametrize("mode", MODES)
def test_a_weight_that_is_no_number_is_never_saved(make_run: RunMaker, mode: str) -> None:
    folder = make_run(lora__dropout=0.0, checkpoint__every=2, **MODES[mode])
    assert holding.stop_at(folder, 4) == 130
    published = (folder.adapters / "adapters.safetensors").read_bytes()
    _poison(folder)
    assert supervisor.launch(folder).wait() == 1
    state = state_of(folder)
    assert state.failure is not None
    assert state.failure.kind == "not_finite"
    assert "the update" in state.failure.detail
    assert state.step == 4
    assert (folder.adapters / "adapters.safetensors").read_bytes() == published
    for checkpoint in folder.checkpoints():
        arrays = _arrays(checkpoint.path / "adapters.safetensors")
        assert all(mx.isfinite(value).all() for value in arrays.values())


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD", "Adafactor", "Muon"])
def test_small_updates_add_up_in_bfloat16(name: str) -> None:
    layer = nn.Linear(8, 8)
    layer.set_dtype(mx.bfloat16)
    layer.weight = mx.ones((8, 8), mx.bfloat16)
    kind: Any = getattr(optim, name)
    extra = {"relative_step": False, "scale_parameter": False} if name == "Adafactor" else {}
    optimizer = where_needed(kind(learning_rate=1e-4, **extra), layer.trainable_parameters())
    assert isinstance(optimizer, MasterWeights)
    optimizer.init(layer.trainable_parameters())
    gradient = {"weight": mx.eye(8, dtype=mx.bfloat16) + 1, "bias": mx.ones(8, mx.bfloat16)}
    for _ in range(400):
        optimizer.update(layer, gradient)
        mx.eval(layer.parameters(), optimizer.state)
    assert layer.weight.dtype == mx.bfloat16
    assert bool((layer.weight[0, 0] < 1).item())  # 1e-4 alone is rounded away beside 1


def test_adapters_of_a_16_bit_model_need_no_copies() -> None:
    adapter = {"lora_a": mx.zeros((4, 2)), "lora_b": mx.zeros((2, 4))}
    inner = optim.Adam(learning_rate=1e-3)
    assert where_needed(inner, adapter) is inner


def test_a_run_from_before_float32_weights_goes_on() -> None:
    layer = nn.Linear(4, 4)
    layer.set_dtype(mx.float16)
    old = optim.Adam(learning_rate=1e-3)
    old.init(layer.trainable_parameters())
    optimizer = MasterWeights(optim.Adam(learning_rate=1e-3))
    optimizer.state = old.state
    optimizer.update(layer, {"weight": mx.ones((4, 4)), "bias": mx.ones(4)})
    assert layer.weight.dtype == mx.float16
    assert optimizer.state["optimizer"]["weight"]["v"].dtype == mx.float32
    assert optimizer.state["master"]["weight"].dtype == mx.float32


def _arrays(path: Path) -> dict[str, mx.array]:
    arrays: Any = mx.load(str(path))
    return dict(arrays)


def _poison(folder: RunFolder) -> None:
    """Make a moment of the newest checkpoint NaN, in a file that its manifest agrees with."""
    newest = folder.checkpoints()[-1].path
    path = newest / "optimizer.safetensors"
    arrays = _arrays(path)
    name = next(name for name in sorted(arrays) if name.endswith(".m"))
    arrays[name] = arrays[name] * mx.array(float("nan"))
    mx.eval(arrays)
    mx.save_safetensors(str(path), arrays)
    manifest = json.loads((newest / "manifest.json").read_text())
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    manifest["files"][path.name] = {"bytes": len(content), "sha256": digest}
    (newest / "manifest.json").write_text(json.dumps(manifest))
