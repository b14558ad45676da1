"""A GGUF file by mlx_lm, where what it writes is what the model is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from farense_worker.model.compat import (
    convert_to_gguf,
    permute_weights,
    readable_gguf,
    translate_weight_names,
)
from farense_worker.protocol import plain_file
from farense_worker.protocol.language import gettext as _

KINDS = ("llama", "mistral", "mixtral")
_LONGEST = 2048  # tokens, as transformers' LlamaConfig has it where none is named


def obstacle(folder: Path) -> str:
    """Say why mlx_lm cannot write this model as GGUF, empty if it can.

    It knows three kinds of models, takes the head's size for hidden_size / heads, and describes
    every tokenizer as SentencePiece's, so llama.cpp would cut texts of a byte-level tokenizer
    into other tokens.
    """
    config = json.loads(plain_file.text(folder / "config.json"))
    kind = config.get("model_type")
    if kind not in KINDS:
        return _("mlx_lm writes GGUF of {kinds}, not of {kind}").format(
            kinds=", ".join(KINDS), kind=kind
        )
    heads = config["num_attention_heads"]
    if config.get("head_dim", config["hidden_size"] // heads) * heads != config["hidden_size"]:
        return _("its heads are not hidden_size / num_attention_heads wide")
    tokenizer = folder / "tokenizer.json"
    made = _json(tokenizer)["model"] if tokenizer.is_file() else {}
    if not made.get("byte_fallback"):
        return _("its tokenizer is not SentencePiece's, and mlx_lm would describe it as such")
    return ""


def _json(path: Path) -> Any:
    with plain_file.reading(path) as file:  # a tokenizer may be of tens of megabytes
        return json.load(file)


def write(folder: Path, weights: dict[str, mx.array], path: Path) -> None:
    """Write float16 weights of the model in `folder`."""
    config = json.loads(plain_file.text(folder / "config.json"))
    config.setdefault("num_key_value_heads", config["num_attention_heads"])
    config.setdefault("max_position_embeddings", _LONGEST)  # llama.cpp loads no model without
    config.pop("quantization", None)
    with readable_gguf():
        convert_to_gguf(folder, dict(weights), config, str(path))


def read_into(network: nn.Module, config: dict[str, Any], path: Path) -> None:
    """Put the weights of a GGUF file into a float model of the same shape, to see what it does."""
    found: Any = mx.load(str(path))
    heads = config["num_attention_heads"]
    groups = {"q_proj": heads, "k_proj": config.get("num_key_value_heads", heads)}
    weights = []
    for name in _names(network):
        value = found[translate_weight_names(name)]
        layer = name.split(".")[-2]
        if layer in groups and name.endswith(".weight"):
            value = _unpermuted(value, groups[layer])
        weights.append((name, value))
    network.load_weights(weights)
    mx.eval(network.parameters())


def _names(network: nn.Module) -> list[str]:
    from mlx.utils import tree_flatten

    return [name for name, _ in tree_flatten(network.parameters())]


def _unpermuted(weight: mx.array, heads: int) -> mx.array:
    """Undo mlx_lm's permute_weights."""
    order = permute_weights(mx.arange(weight.shape[0]), heads)
    return weight[mx.argsort(order)]
