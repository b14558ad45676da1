"""An adapter as llama.cpp has them: a GGUF file that is laid over one of its base model.

As llama.cpp's convert_lora_to_gguf.py writes it: tensors by the names of the base's with .lora_a
and .lora_b behind them, and adapter.lora.alpha, which llama.cpp divides by the rank. Names are
those of the gguf package's own maps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _

# model_type in config.json, and what llama.cpp calls it (its conversion's classes).
ARCHITECTURES = {
    "gemma": "gemma",
    "gemma2": "gemma2",
    "gemma3_text": "gemma3",
    "llama": "llama",
    "mistral": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
}
# Those whose query and key rows llama.cpp wants in the order of its own rotation.
_PERMUTED = ("llama",)


def obstacle(config: Mapping[str, Any], adapter: Mapping[str, Any]) -> str:
    """Say why there is no such file of an adapter, empty if there can be one.

    config: the model's; adapter: its adapter_config.json.
    """
    kind = config.get("model_type")
    if kind not in ARCHITECTURES:
        return _("adapters of {kinds} are written for llama.cpp, not of {kind}").format(
            kinds=", ".join(ARCHITECTURES), kind=kind
        )
    if adapter.get("fine_tune_type", "lora") != "lora":
        return _("llama.cpp has LoRA adapters and no others")
    return ""


def write(
    path: Path,
    weights: Mapping[str, mx.array],
    config: Mapping[str, Any],
    adapter: Mapping[str, Any],
    name: str,
) -> None:
    """Write it. weights and adapter: of mlx_lm's two files; config: the model's.

    Raises FarenseError (refused) without the gguf package, and for layers that are not llama.cpp's.
    """
    gguf = _package()
    lora, theirs = adapter["lora_parameters"], _Theirs(gguf, config)
    file = gguf.GGUFWriter(None, theirs.architecture)
    file.add_type(gguf.GGUFType.ADAPTER)
    file.add_string(gguf.Keys.Adapter.TYPE, "lora")
    file.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(lora["scale"] * lora["rank"]))
    file.add_name(name)
    for layer in layers_of(weights):
        there = theirs.name(layer)
        if there is None or layer.endswith("embed_tokens"):
            raise refused(
                _("this adapter cannot be written for llama.cpp"),
                _("it has no place for one on {layer}").format(layer=layer),
                _("Export with --fuse, or train without {layer}.").format(layer=layer),
                kind="export",
            )
        a, b = (_numbers(weights[f"{layer}.{part}"]).T for part in ("lora_a", "lora_b"))
        file.add_tensor(f"{there}.lora_a", np.ascontiguousarray(a))
        file.add_tensor(f"{there}.lora_b", np.ascontiguousarray(_turned(b, theirs.heads(layer))))
    file.write_header_to_file(path=path)
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


def read(
    path: Path, config: Mapping[str, Any], layers: list[str]
) -> tuple[dict[str, mx.array], float]:
    """Read the weights of these layers back as ours, and the scale; to see what was written."""
    gguf = _package()
    file = gguf.GGUFReader(path)
    found = {tensor.name: tensor.data for tensor in file.tensors}
    theirs = _Theirs(gguf, config)
    weights, rank = {}, 1
    for layer in layers:
        there = theirs.name(layer)
        a, b = (np.array(found[f"{there}.{part}"]) for part in ("lora_a", "lora_b"))
        turned = theirs.heads(layer)
        weights[f"{layer}.lora_a"] = mx.array(np.ascontiguousarray(a.T))
        weights[f"{layer}.lora_b"] = mx.array(np.ascontiguousarray(_turned(b, turned, back=True).T))
        rank = a.shape[0]
    alpha = file.get_field(gguf.Keys.Adapter.LORA_ALPHA)
    return weights, float(alpha.contents()) / rank


class _Theirs:
    """What llama.cpp calls a layer, and how it has its rows."""

    def __init__(self, gguf: Any, config: Mapping[str, Any]) -> None:
        self.architecture = ARCHITECTURES[config["model_type"]]
        numbers = {value: key for key, value in gguf.MODEL_ARCH_NAMES.items()}
        layers = int(config["num_hidden_layers"])
        self._names = gguf.get_tensor_name_map(numbers[self.architecture], layers)
        heads = int(config["num_attention_heads"])
        self._heads = {"q_proj": heads, "k_proj": int(config.get("num_key_value_heads") or heads)}

    def name(self, layer: str) -> str | None:
        found: str | None = self._names.get_name(f"{layer}.weight", try_suffixes=(".weight",))
        return found

    def heads(self, layer: str) -> int | None:
        """Give how many heads a layer's rows are of, None where they stay as they are."""
        turned = self.architecture in _PERMUTED
        return self._heads.get(layer.rpartition(".")[2]) if turned else None


def _turned(rows: np.ndarray, heads: int | None, *, back: bool = False) -> np.ndarray:
    """Put the two halves of each head's rows side by side, as llama.cpp's LlamaModel.permute."""
    if heads is None:
        return rows
    width = rows.shape[0] // heads
    shape = (heads, width // 2, 2) if back else (heads, 2, width // 2)
    return rows.reshape(*shape, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def _numbers(value: mx.array) -> np.ndarray:
    return np.array(value.astype(mx.float32))


def _package() -> Any:
    try:
        import gguf
    except ImportError as error:
        raise refused(
            _("not installed: gguf"),
            _("GGUF adapters are written with it; the extra gguf of farense-tui brings it."),
            kind="extra",
        ) from error
    return gguf


def layers_of(weights: Mapping[str, mx.array]) -> list[str]:
    """Name the layers that have an adapter."""
    return sorted({re.sub(r"\.lora_[ab]$", "", name) for name in weights})
