"""An activation that mlx_lm's class passes over is told before the first step."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from farense_worker.model import model
from farense_worker.model.as_trained import activations
from farense_worker.process.output import Output
from farense_worker.protocol.settings.profile import Model


@pytest.mark.parametrize("family", sorted(activations.SWIGLU))
def test_the_family_computes_swiglu_whatever_is_said(family: str) -> None:
    source = inspect.getsource(importlib.import_module(f"mlx_lm.models.{family}"))
    assert "swiglu(" in source
    assert not re.search(r"nn\.(gelu|relu|silu|GELU|SiLU)|get_activation", source)
    assert "args.hidden_act" not in source


@pytest.mark.parametrize(
    ("config", "family", "said"),
    [
        ({"hidden_act": "gelu"}, "llama", "gelu"),
        ({"hidden_act": "silu"}, "llama", ""),
        ({"hidden_act": "Swish"}, "qwen3", ""),
        ({"hidden_act": None}, "llama", ""),
        ({"hidden_act": [1]}, "llama", ""),
        ({}, "llama", ""),
        ({"hidden_act": "gelu_pytorch_tanh"}, "gemma", ""),  # its class computes one of that kind
    ],
)
def test_what_is_passed_over(config: dict[str, object], family: str, said: str) -> None:
    assert activations.ignored(config, family) == said


@pytest.mark.parametrize("named", ["gelu", "silu"])
def test_it_is_told_of(micro: Path, tmp_path: Path, named: str) -> None:
    folder = shutil.copytree(micro, tmp_path / "m")
    config = json.loads((folder / "config.json").read_text()) | {"hidden_act": named}
    (folder / "config.json").write_text(json.dumps(config))
    record = tmp_path / "events"
    output = Output(os.open(record, os.O_CREAT | os.O_WRONLY), tmp_path / "none")
    network = model.load(folder, Model(repo=str(folder)))
    model.tell_of_others(folder, network, output)
    told = "config.json says hidden_act = gelu, and mlx_lm computes silu" in record.read_text()
    assert told == (named == "gelu")
