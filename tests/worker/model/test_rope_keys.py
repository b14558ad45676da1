"""What transformers 5 writes of rotary embeddings is what the model computes with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from farense_worker.model import model
from farense_worker.model.compat import put_right
from farense_worker.protocol.settings.profile import Model
from farense_worker.tasks import fuse

from tests import micro_model

SCALING = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
TOKENS = mx.array([list(range(5, 45))])


def logits(folder: Path) -> mx.array:
    network: Any = model.load(folder, Model(repo=str(folder)))
    made: mx.array = network(TOKENS)
    return made


def test_a_model_of_transformers_5_computes_as_its_older_form(tmp_path: Path) -> None:
    older: dict[str, Any] = {"rope_theta": 500_000.0, "rope_scaling": SCALING}
    newer: dict[str, Any] = {"rope_parameters": {**SCALING, "rope_theta": 500_000.0}}
    right = logits(micro_model.make(tmp_path / "older", **older))
    mine = micro_model.make(tmp_path / "newer", **newer)
    assert mx.array_equal(logits(mine), right)
    assert not mx.allclose(logits(micro_model.make(tmp_path / "none")), right, atol=1e-4)


def test_what_is_exported_is_read_rightly_by_mlx_lm(tmp_path: Path) -> None:
    from mlx_lm.utils import load_model

    newer: dict[str, Any] = {"rope_parameters": {**SCALING, "rope_theta": 500_000.0}}
    source = micro_model.make(tmp_path / "m", **newer)
    network = model.load(source, Model(repo=str(source)))
    fuse.save(network, source, tmp_path / "out")
    theirs, config = load_model(tmp_path / "out")
    assert mx.allclose(theirs(TOKENS), logits(source), atol=1e-6)
    assert config["rope_parameters"]["rope_theta"] == 500_000.0


# Families that have a configuration in transformers and read rope_theta in mlx_lm.
FAMILIES = (
    "bitnet",
    "cohere",
    "cohere2",
    "deepseek_v3",
    "ernie4_5",
    "exaone4",
    "falcon_h1",
    "gemma",
    "gemma2",
    "glm",
    "glm4",
    "gpt_oss",
    "granite",
    "granitemoe",
    "helium",
    "hunyuan_v1_dense",
    "llama",
    "mixtral",
    "nemotron",
    "olmo2",
    "olmoe",
    "phi",
    "phi3",
    "qwen2",
    "qwen2_moe",
    "qwen3",
    "seed_oss",
    "smollm3",
    "stablelm",
    "starcoder2",
)


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_family_gets_the_theta_that_transformers_wrote(kind: str) -> None:
    import importlib

    from transformers import CONFIG_MAPPING

    config = CONFIG_MAPPING[kind]().to_dict()
    config["rope_parameters"]["rope_theta"] = 123_456.0
    config = json.loads(json.dumps(config, default=str))
    config.pop("rope_theta", None)
    config.setdefault("head_dim", 8)
    put_right(config)
    family = importlib.import_module(f"mlx_lm.models.{kind}")
    made = family.ModelArgs.from_dict(config)
    assert made.rope_theta == 123_456.0
    wanted = config["rope_parameters"].get("partial_rotary_factor")
    if wanted is not None and hasattr(made, "partial_rotary_factor"):
        assert made.partial_rotary_factor == wanted


def test_kinds_of_attention_have_their_own() -> None:
    from transformers import CONFIG_MAPPING

    config = CONFIG_MAPPING["gemma3_text"]().to_dict()
    config["rope_parameters"] = {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 5e5},
        "sliding_attention": {"rope_type": "default", "rope_theta": 2e4},
    }
    put_right(config)
    assert (config["rope_theta"], config["rope_local_base_freq"]) == (5e5, 2e4)
    assert (config["rope_scaling"]["type"], config["rope_scaling"]["factor"]) == ("linear", 8.0)


def test_gpt_neox_has_other_names() -> None:
    from transformers import CONFIG_MAPPING

    config = CONFIG_MAPPING["gpt_neox"]().to_dict()
    put_right(config)
    assert (config["rotary_emb_base"], config["rotary_pct"]) == (10_000.0, 0.25)


def test_what_is_there_is_left_alone() -> None:
    config = {"model_type": "llama", "rope_theta": 1.0, "rope_parameters": {"rope_theta": 2.0}}
    assert put_right(config) == []
    assert config["rope_theta"] == 1.0
