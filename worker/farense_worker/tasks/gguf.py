"""A GGUF file by mlx_lm, where what it writes is what the model is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from farense_worker.model import stops
from farense_worker.model.compat import (
    convert_to_gguf,
    permute_weights,
    put_right,
    readable_gguf,
    translate_weight_names,
)
from farense_worker.protocol import plain_file
from farense_worker.protocol.language import gettext as _

KINDS = ("llama", "mistral")
_LONGEST = 2048  # tokens, as transformers' LlamaConfig has it where none is named


def obstacle(folder: Path) -> str:
    """Say why mlx_lm cannot write this model as GGUF, empty if it can.

    It knows three kinds of models, writes experts by names that llama.cpp does not look for, takes
    the head's size for hidden_size / heads, leaves biases in another order than their weights and
    all ways to stretch positions but the linear one out, and describes every tokenizer as
    SentencePiece's, so llama.cpp would cut texts of a byte-level tokenizer into other tokens.
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
    if config.get("attention_bias"):
        return _("its attention has biases, which mlx_lm writes in the wrong order")
    if (stretched := _stretched(config)) not in ("", "default", "linear"):
        return _("its positions are stretched ({kind}), which mlx_lm leaves out").format(
            kind=stretched[:80]
        )
    tokenizer = folder / "tokenizer.json"
    made = _json(tokenizer)["model"] if tokenizer.is_file() else {}
    if not made.get("byte_fallback") or made.get("type", "BPE") != "BPE":
        return _("its tokenizer is not SentencePiece's, and mlx_lm would describe it as such")
    return ""


def _stretched(config: dict[str, Any]) -> str:
    """Name the way in which positions are stretched; empty for none."""
    put_right(config)
    scaling = config.get("rope_scaling") or {}
    return str(scaling.get("rope_type") or scaling.get("type") or "")


def _json(path: Path) -> Any:
    with plain_file.reading(path) as file:  # a tokenizer may be of tens of megabytes
        return json.load(file)


def write(
    folder: Path, weights: dict[str, mx.array], path: Path, tokenizer: Any | None = None
) -> None:
    """Write float16 weights of the model in `folder`, and what its tokenizer does to texts."""
    config = json.loads(plain_file.text(folder / "config.json"))
    config.setdefault("num_key_value_heads", config["num_attention_heads"])
    config.setdefault("max_position_embeddings", _LONGEST)  # llama.cpp loads no model without
    config.pop("quantization", None)
    if stretched := _stretched(config):  # mlx_lm looks for it by its older name alone
        config["rope_scaling"]["type"] = stretched
    with readable_gguf(_scores(folder), _told(tokenizer) if tokenizer else {}):
        convert_to_gguf(folder, dict(weights), config, str(path))


def _scores(folder: Path) -> dict[str, float]:
    """Give how early each token is put together, as SentencePiece's scores: 0 first, then below.

    llama.cpp puts together what makes the token of the highest score, again and again.
    """
    merges = _json(folder / "tokenizer.json")["model"].get("merges") or ()
    pairs = (each.partition(" ")[::2] if isinstance(each, str) else each for each in merges)
    found: dict[str, float] = {}
    for rank, pair in enumerate(pairs):
        found.setdefault("".join(pair), -float(rank))
    return found


def _told(tokenizer: Any) -> dict[str, Any]:
    """Give what llama.cpp, and programs that hold it, look for: else each takes a guess of its own.

    Whether texts begin with a bos, where an answer ends, and the chat template.
    """
    bos, end = tokenizer.bos_token_id, stops.written(tokenizer)
    begins = bos is not None and list(tokenizer.encode("")[:1]) == [bos]
    made: dict[str, Any] = {"tokenizer.ggml.add_bos_token": mx.array(begins)}
    if end is not None:
        made["tokenizer.ggml.eot_token_id"] = mx.array(end, mx.uint32)
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    return made | ({"tokenizer.chat_template": template} if isinstance(template, str) else {})


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
