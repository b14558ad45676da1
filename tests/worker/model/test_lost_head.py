"""A head that the files have and the class leaves out is told before the first step."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from farense_worker.model import model
from farense_worker.process.output import Output
from farense_worker.protocol.settings.profile import Model


@pytest.mark.parametrize(
    ("change", "tied", "apart", "told"),
    [
        (0.0, True, False, False),  # the embeddings once more, as some programs save them
        (0.5, True, False, True),
        (0.5, True, True, True),
        (0.5, False, False, False),  # it is computed with
    ],
)
def test_it_is_told_of(
    micro: Path, tmp_path: Path, change: float, tied: bool, apart: bool, told: bool
) -> None:
    folder = shutil.copytree(micro, tmp_path / "m")
    weights: Any = mx.load(str(folder / "model.safetensors"))
    head = weights["model.embed_tokens.weight"] + change
    if apart:
        mx.save_safetensors(str(folder / "model-2.safetensors"), {"lm_head.weight": head})
    else:
        mx.save_safetensors(str(folder / "model.safetensors"), {**weights, "lm_head.weight": head})
    config = json.loads((folder / "config.json").read_text()) | {"tie_word_embeddings": tied}
    (folder / "config.json").write_text(json.dumps(config))
    record = tmp_path / "events"
    output = Output(os.open(record, os.O_CREAT | os.O_WRONLY), tmp_path / "none")
    network = model.load(folder, Model(repo=str(folder)))
    model.tell_of_others(folder, network, output)
    assert ("a head of their own (lm_head), which mlx_lm leaves out" in record.read_text()) == told
