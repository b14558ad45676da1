"""What a model computes in, chosen by the machine; Macs as mx.device_info was recorded on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest
from farense_worker.model import model
from farense_worker.protocol.plan import precision
from farense_worker.protocol.settings.profile import Dtype, Model
from mlx.utils import tree_flatten

from tests import micro_model
from tests.real_runs import RunMaker, finish

M1 = {"device_name": "Apple M1", "architecture": "applegpu_g13g"}
M2 = {"device_name": "Apple M2 Pro", "architecture": "applegpu_g14s"}
M3 = {"device_name": "Apple M3", "architecture": "applegpu_g15g"}


class Network(nn.Module):
    """A model that comes in one dtype."""

    def __init__(self, dtype: mx.Dtype) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(4)
        self.set_dtype(dtype)


@pytest.mark.parametrize(
    ("device", "gpu", "comes", "chosen"),
    [
        (M1, True, mx.bfloat16, mx.float16),
        (M2, True, mx.bfloat16, mx.float16),
        (M3, True, mx.bfloat16, mx.bfloat16),
        (M1, True, mx.float16, mx.float16),
        (M1, True, mx.float32, mx.float32),
        ({}, True, mx.bfloat16, mx.bfloat16),
        ({"architecture": "AMD"}, False, mx.bfloat16, mx.float32),
        ({"architecture": "AMD"}, False, mx.float16, mx.float32),
    ],
)
def test_the_machine_decides(
    device: dict[str, str], gpu: bool, comes: mx.Dtype, chosen: mx.Dtype
) -> None:
    assert model.dtype(Model(), device, gpu, Network(comes)) == chosen


@pytest.mark.parametrize("kind", ["gemma", "gemma2", "gemma3_text", "qwen2", "qwen2_moe"])
@pytest.mark.parametrize("comes", [mx.bfloat16, mx.float16])
def test_some_kinds_need_the_range_of_bfloat16(kind: str, comes: mx.Dtype) -> None:
    network = Network(comes)
    type(network).__module__ = f"mlx_lm.models.{kind}"
    try:
        assert model.dtype(Model(), M1, True, network) == mx.bfloat16
        assert model.dtype(Model(dtype="model"), M1, True, network) == comes
    finally:
        type(network).__module__ = __name__


@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16"])
def test_the_user_decides(name: Any) -> None:
    chosen = model.dtype(Model(dtype=name), M1, True, Network(mx.bfloat16))
    assert chosen == getattr(mx, name)


@pytest.mark.parametrize("bits", [0, 4])
@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_it_loads_and_trains_in_it(
    make_run: RunMaker, tmp_path: Path, bits: int, name: Any
) -> None:
    folder = micro_model.make(tmp_path / "model", hidden=64, bits=bits)
    loaded = model.load(folder, Model(repo=str(folder), dtype=name))
    kinds = {v.dtype for _, v in tree_flatten(loaded.parameters())} - {mx.uint32}
    assert kinds == {getattr(mx, name)}
    plain = finish(make_run("plain", model__repo=str(folder)))
    state = finish(make_run("run", model__repo=str(folder), model__dtype=name))
    wide, narrow = (list(dict(each.loss).values()) for each in (plain, state))
    assert narrow[:4] == pytest.approx(wide[:4], rel=0.01)
    # From then on the loss leaps at this rate, and where it leaps to hangs on the last digits.
    assert sum(narrow) == pytest.approx(sum(wide), rel=0.05)


@pytest.mark.parametrize("wished", ["float16", "bfloat16", "float32"])
def test_answers_are_computed_in_what_the_run_was(micro: Path, wished: Dtype) -> None:
    from farense_worker.protocol.messages import conversation, evaluation, serving
    from farense_worker.serve.models import Models
    from farense_worker.tasks import ask, evaluate

    (speaker,), _takes_system = ask.load(
        conversation.Setup(str(micro), dtype=wished), lambda _said: None
    )
    assert model.dtype_of(speaker._network) == getattr(mx, wished)
    served = Models(serving.Setup(repo=str(micro), base="micro", dtype=wished), 0)
    served.load_default()
    assert model.dtype_of(served.model) == getattr(mx, wished)
    measured = evaluate._Base.of(evaluation.Candidate(str(micro), dtype=wished))
    assert measured.settings.dtype == wished


def test_models_that_share_weights_take_the_widest_type() -> None:
    order: list[Dtype] = ["float32", "bfloat16", "model", "auto", "float16"]
    for at, name in enumerate(order):
        assert precision.together(reversed(order[at:])) == name
