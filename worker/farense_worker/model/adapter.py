"""An adapter as it is in its folder: what it says of itself, and its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx

from farense_worker.protocol import plain_file
from farense_worker.protocol.checkpoint_files import ADAPTER_CONFIG, ADAPTERS, check_adapter
from farense_worker.protocol.language import gettext as _

PARTS = ("lora_a", "lora_b", "m")  # mlx_lm's names; `m` are DoRA's magnitudes
_KINDS = ("lora", "dora", "full")


def config(folder: Path) -> dict[str, Any]:
    """Read adapter_config.json. Raises an error of OF_CONTENT for one that is damaged."""
    made = json.loads(plain_file.read(folder / ADAPTER_CONFIG, follow=True))
    if not isinstance(made, dict) or not isinstance(made.get("lora_parameters") or {}, dict):
        raise TypeError(_("{file} is not a table of keys").format(file=ADAPTER_CONFIG))
    kind = made.get("fine_tune_type", "lora")
    if kind not in _KINDS:  # mlx_lm takes each for lora, whose effect would be another one
        said = _("fine_tune_type: {kind} is none of {kinds}")
        raise ValueError(said.format(kind=str(kind)[:80], kinds=", ".join(_KINDS)))
    return made


def read(folder: Path) -> tuple[dict[str, mx.array], dict[str, Any]]:
    """Read an adapter's weights, and what it is made of. Raises an error of OF_CONTENT."""
    check_adapter(folder)
    weights: Any = mx.load(str(folder / ADAPTERS))
    made = config(folder)
    if not weights:
        raise ValueError(_("{file} has no weights in it").format(file=ADAPTERS))
    parts = PARTS if made.get("fine_tune_type") == "dora" else PARTS[:2]
    for layer in sorted({layer for layer, part in map(_split, weights) if part in PARTS}):
        for name in (f"{layer}.{part}" for part in parts):
            if name not in weights:  # mlx_lm would have it begin anew: by chance, or with no effect
                raise ValueError(_("{file} is without {name}").format(file=ADAPTERS, name=name))
    return weights, made


def _split(name: str) -> tuple[str, str]:
    layer, _dot, part = name.rpartition(".")
    return layer, part
