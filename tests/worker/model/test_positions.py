"""What is longer than a model was made for is told, and refused where it has no position."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from farense_worker.model import model
from farense_worker.model.as_trained import positions
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.settings.profile import Model

from tests.micro_model import make


@pytest.mark.parametrize(
    ("config", "longest", "reach"),
    [
        ({}, 0, 0),
        ({"max_position_embeddings": 2048, "rope_scaling": None}, 2048, 2048),
        ({"n_positions": 1024}, 1024, 1024),
        ({"text_config": {"max_position_embeddings": 512}}, 512, 512),
        (
            {
                "max_position_embeddings": 32768,
                "rope_scaling": {
                    "type": "yarn",
                    "factor": 4.0,
                    "original_max_position_embeddings": 32768,
                },
            },
            32768,
            131072,
        ),
        (
            {"max_position_embeddings": 4096, "rope_scaling": {"type": "linear", "factor": 2.0}},
            4096,
            8192,
        ),
        (
            {
                "max_position_embeddings": 131072,
                "rope_scaling": {"rope_type": "llama3", "factor": 8.0},
            },
            131072,
            131072,
        ),
        ({"max_position_embeddings": 64, "rope_scaling": {"factor": float("inf")}}, 64, 65536),
        ({"max_position_embeddings": 64, "rope_scaling": {"factor": float("nan")}}, 64, 65536),
    ],
)
def test_how_much_a_model_was_made_for(
    tmp_path: Path, config: dict[str, Any], longest: int, reach: int
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert (positions.longest(tmp_path), positions.reach(tmp_path)) == (longest, reach)


def test_rows_beyond_a_table_of_positions_are_refused(tmp_path: Path) -> None:
    """MLX would read what lies behind the table."""
    sizes = {"n_embd": 32, "n_head": 2, "n_layer": 1, "n_positions": 16, "n_ctx": 16}
    folder = make(tmp_path / "m", kind="gpt2", n_inner=64, layer_norm_epsilon=1e-5, **sizes)
    network = model.load(folder, Model(repo=str(folder)))
    model.check_positions(network, 17)
    with pytest.raises(FarenseError, match="table of positions"):
        model.check_positions(network, 18)
