"""A model and the adapter on it made into one model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_map_with_path, tree_unflatten

from farense_worker.model import stops
from farense_worker.model.compat import (
    dequantize_model,
    load_config,
    put_right,
    save_config,
    save_model,
)
from farense_worker.model.model import dtype_of
from farense_worker.protocol import plain_file
from farense_worker.protocol.messages.export import Precision

# What belongs to a model besides its weights and config.json (mlx_lm.utils, model/model.py).
_BESIDES = ("*.json", "*.py", "*.jinja", "*.txt", "*.tiktoken", "*.model", "*.jsonl")
_NOT = ("config.json", "model.safetensors.index.json", "adapter_config.json")


def fuse(network: nn.Module, precision: Precision) -> None:
    """Add what the adapter has learnt to the weights, in place.

    Quantised again, a weight moves in steps of the quantisation, and an adapter's changes are
    mostly smaller: that is how others lose it. So layers with an adapter are kept as floats
    unless asked otherwise.
    """
    fused = [
        (name, module.fuse(dequantize=precision != "quantised"))
        for name, module in network.named_modules()
        if hasattr(module, "fuse")
    ]
    if fused:
        network.update_modules(tree_unflatten(fused))
    if precision == "float":
        dequantize_model(network)
    mx.eval(network.parameters())


def as_it_came(network: nn.Module, source: nn.Module) -> None:
    """Turn floats back into those of the model that was fused, in place.

    A CPU computes in float32 what comes in 16 bits; written so, it would be twice as large, and
    its config.json would say otherwise. source: that model, as it was loaded.
    """
    usual = dtype_of(source)
    kinds = {name: value.dtype for name, value in tree_flatten(source.parameters())}
    floats = [
        (name, value)
        for name, value in tree_flatten(network.parameters())
        if mx.issubdtype(value.dtype, mx.floating)
    ]
    cast = []
    for name, value in floats:
        kind = kinds.get(name, usual)  # a layer that was quantised has weights of another kind
        cast.append((name, value.astype(kind if mx.issubdtype(kind, mx.floating) else usual)))
    network.load_weights(cast, strict=False)
    mx.eval(network.parameters())


def save(network: nn.Module, source: Path, folder: Path, ends: set[int] | None = None) -> None:
    """Write the model as mlx_lm loads it; tokenizer and templates are copied as they are.

    ends: where answers stop, None for what the model's configuration says.
    """
    folder.mkdir(parents=True)
    for pattern in _BESIDES:
        for path in source.glob(pattern):
            if path.name not in _NOT and not path.name.startswith("."):
                plain_file.copy(path, folder / path.name)
    copy_templates(source, folder)
    config = load_config(source)
    put_right(config)
    quantised = {
        name
        for name, module in network.named_modules()
        if hasattr(module, "bits") and hasattr(module, "scales")
    }
    for key in ("quantization", "quantization_config"):
        if key in config:
            config[key] = _still(config[key], quantised)
            if not quantised:
                del config[key]
    if ends:
        config["eos_token_id"] = sorted(ends)
        stops.write(folder, ends)
    save_model(folder, network)
    save_config(config, folder / "config.json")


def copy_templates(source: Path, folder: Path) -> None:
    """Take the chat templates along that stand in files of their own."""
    for path in (
        source / "chat_template.jinja",
        *source.glob("additional_chat_templates/[!.]*.jinja"),
    ):
        if path.is_file():
            place = folder / path.relative_to(source)
            place.parent.mkdir(exist_ok=True)
            plain_file.copy(path, place)


def as_half(network: nn.Module) -> dict[str, mx.array]:
    """Give all weights as float16, which is what mlx_lm writes into a GGUF file."""
    halved = tree_map_with_path(lambda _, value: value.astype(mx.float16), network.parameters())
    return dict(tree_flatten(halved))


def _still(settings: dict[str, Any], quantised: set[str]) -> dict[str, Any]:
    """Leave out the settings of single layers that are quantised no more."""
    return {
        key: value
        for key, value in settings.items()
        if not isinstance(value, dict) or key in quantised
    }
