"""How much a run writes: its checkpoints, and the model where it must be downloaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from farense_worker.protocol.settings.profile import Profile

from farense_tui.engine.models.locate import ModelState

_LEAST = 64 << 20


def disk_need(profile: Profile, model: ModelState) -> int:
    """Bytes at about: as farense_worker/loop/checkpoint.py asks for, and the record.

    One checkpoint holds the adapter and Adam's two moments in float32; there are `keep`, the best
    one, the one being written, and the published adapter.
    """
    trained = adapter_parameters(profile, model.path) if model.path else 0
    return _LEAST + trained * 4 * (3 * (profile.checkpoint.keep + 2) + 1)


def adapter_parameters(profile: Profile, folder: Path) -> int:
    """Parameters of the adapter, from the model's config.json; 0 if that does not tell.

    A LoRA of rank r on a layer from n to m features has r (n + m).
    """
    try:
        config = json.loads((folder / "config.json").read_text())
        sizes = _sizes(config)
        layers = int(config["num_hidden_layers"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    if profile.train.fine_tune_type == "full":
        return layers * sum(n * m for n, m in sizes.values())
    if profile.lora.num_layers >= 0:
        layers = min(layers, profile.lora.num_layers)
    named = [sizes[key.rpartition(".")[2]] for key in profile.lora.keys if _known(key, sizes)]
    return layers * profile.lora.rank * sum(n + m for n, m in named)


def _known(key: str, sizes: dict[str, Any]) -> bool:
    return key.rpartition(".")[2] in sizes


def _sizes(config: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Features in and out of the linear layers of a Llama and of what is built like it."""
    hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    head = int(config.get("head_dim") or hidden // heads)
    inner = int(config["intermediate_size"])
    keys = int(config.get("num_key_value_heads") or heads)
    return {
        "q_proj": (hidden, heads * head),
        "k_proj": (hidden, keys * head),
        "v_proj": (hidden, keys * head),
        "o_proj": (heads * head, hidden),
        "gate_proj": (hidden, inner),
        "up_proj": (hidden, inner),
        "down_proj": (inner, hidden),
    }
