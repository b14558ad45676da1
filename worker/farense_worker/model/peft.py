"""Adapters as peft has them: adapter_model.safetensors and its adapter_config.json.

Both add scale x B A to a layer's weight. peft keeps A [rank, in] and B [out, rank], mlx_lm both the
other way round; peft's scale is lora_alpha / r (/ sqrt(r) with use_rslora), mlx_lm writes it down
as it is. DoRA's magnitudes are the same numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx

from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _

WEIGHTS = "adapter_model.safetensors"
_PREFIX = "base_model.model."
# Ours and theirs; what is behind the name of the layer.
_LINEAR = {
    "lora_a": "lora_A.weight",
    "lora_b": "lora_B.weight",
    "m": "lora_magnitude_vector",
}
_EMBEDDING = {"lora_a": "lora_embedding_A", "lora_b": "lora_embedding_B"}
_LONGEST = 200  # characters of a name
# Names of layers with a few wildcards. Repeated groups may be tried in more ways than can be.
_CHARACTERS = r"(?:[\w.^$|()-]|\\[.d])*"
_BOUNDED = re.compile(rf"{_CHARACTERS}(?:(?:\.|\\d)[*+]{_CHARACTERS}){{0,2}}\Z")
_LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.")
# Ways to begin an adapter that change the base model as well, and those that do not.
_CHANGE_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
_BEGUN = ("", "true", "false", "none", "gaussian", "eva", "orthogonal", "mica")
# What a configuration may say; whatever else it says may be another way to compute.
_KNOWN = {
    *("peft_type", "r", "lora_alpha", "alpha_pattern", "rank_pattern", "use_rslora", "use_dora"),
    *("bias", "init_lora_weights", "lora_bias", "layer_replication", "target_parameters"),
    *("trainable_token_indices", "modules_to_save"),  # looked at; those below change nothing
    *("task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision"),
    *("inference_mode", "target_modules", "exclude_modules", "lora_dropout", "fan_in_fan_out"),
    *("layers_to_transform", "layers_pattern", "megatron_config", "megatron_core"),
    *("loftq_config", "eva_config", "corda_config", "lora_ga_config", "runtime_config"),
    *("qalora_group_size", "ensure_weight_tying"),
}


# Kinds of models (config.json's model_type) whose layers transformers names as mlx_lm does.
_NAMED_ALIKE = ("gemma", "gemma2", "gemma3_text", "llama", "mistral", "qwen2", "qwen3")


def remark(kind: str) -> str:
    """Say that the layers of a kind of models may have other names in transformers; else nothing.

    peft loads an adapter for layers that are not there with no more than a warning.
    """
    if kind in _NAMED_ALIKE:
        return ""
    return _(
        "the PEFT adapter names the layers of {kind} as mlx_lm does; whether transformers does was "
        "not looked at: where peft warns of missing adapter keys, it has no effect"
    ).format(kind=kind)


def is_one(config: Mapping[str, Any]) -> bool:
    """Whether an adapter_config.json is peft's."""
    return "peft_type" in config


def made_of(
    weights: Mapping[str, mx.array],
    config: Mapping[str, Any],
    *,
    base: str,
    layers: int,
    embeddings: frozenset[str] = frozenset(),
    tied: bool = False,
) -> tuple[dict[str, mx.array], dict[str, Any]]:
    """Give an adapter of ours as peft's weights and configuration.

    weights, config: of adapters.safetensors and adapter_config.json. layers: of the model.
    embeddings: names of the layers that are embeddings. tied: the head is one of them. Raises
    FarenseError (refused) for what peft has no place for.
    """
    kind = config.get("fine_tune_type", "lora")
    if kind not in ("lora", "dora"):
        raise _no_place(_("a model that was trained whole is no adapter"), _("Export with --fuse."))
    lora = config["lora_parameters"]
    made = {}
    for name, value in weights.items():
        layer, _dot, ours = name.rpartition(".")
        if value.ndim != (1 if ours == "m" else 2):
            raise _no_place(
                _("{layer} has an adapter for every expert").format(layer=layer),
                _("Export with --fuse: the experts' weights then have it in them."),
            )
        if layer in embeddings and tied:
            raise _no_place(
                _("{layer} is the head as well, where peft leaves its adapter out").format(
                    layer=layer
                ),
                _("Export with --fuse."),
            )
        names = _EMBEDDING if layer in embeddings else _LINEAR
        if ours not in names:
            raise _no_place(
                _("{layer} is an embedding with DoRA").format(layer=layer),
                _("Export with --fuse."),
            )
        # peft computes in float32 at the least; the file's own precision is kept
        made[f"{_PREFIX}{layer}.{names[ours]}"] = (
            mx.contiguous(value.T) if value.ndim == 2 else value
        )
    targets = sorted({name.rpartition(".")[0] for name in weights})
    rank, alpha = int(lora["rank"]), lora["scale"] * lora["rank"]
    return made, {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "inference_mode": True,
        "r": rank,
        "lora_alpha": int(alpha) if alpha == int(alpha) else alpha,
        "lora_dropout": float(lora.get("dropout", 0.0)),
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "use_rslora": False,
        "use_dora": kind == "dora",
        "modules_to_save": None,
        **_targets(targets, layers),
    }


def _targets(names: list[str], layers: int) -> dict[str, Any]:
    """Name the layers as shortly as they can be: vLLM and llama.cpp look for the last part."""
    inside = {name: _LAYER.search(name) for name in names}
    numbers = sorted({int(found[1]) for found in inside.values() if found})
    last = sorted({name.rpartition(".")[2] for name in names})
    whole = len(numbers) == layers
    if all(inside.values()):
        return {"target_modules": last, "layers_to_transform": None if whole else numbers}
    return {"target_modules": last if whole else names, "layers_to_transform": None}


def read(folder: Path, config: Mapping[str, Any]) -> tuple[dict[str, mx.array], dict[str, Any]]:
    """Read peft's adapter as weights and configuration of ours.

    Raises FarenseError (refused) for one that does more than add to weights; OSError or
    RuntimeError for a file that is none.
    """
    if obstacle := _obstacle(config):
        hint = _(
            "Where peft is installed, merge_and_unload makes a model of it that can be trained."
        )
        raise _not_started(folder, obstacle, hint)
    if not (folder / WEIGHTS).is_file() and (folder / "adapter_model.bin").is_file():
        raise _not_started(
            folder,
            _("its weights are adapter_model.bin, which may run any program when it is read"),
            _("Save it again as {name}.").format(name=WEIGHTS),
        )
    rank = config["r"]
    scale = float(config["lora_alpha"]) / (rank**0.5 if config.get("use_rslora") else rank)
    alphas = config.get("alpha_pattern") or {}
    plain_file.reading(folder / WEIGHTS).close()  # for a pipe, MLX would wait
    found: Any = mx.load(str(folder / WEIGHTS))
    weights = {}
    for name, value in found.items():
        ours = _ours(name) if len(name) <= _LONGEST else None
        if ours is None:
            raise _not_started(
                folder, _("{name} is no weight of LoRA or DoRA").format(name=name[:200])
            )
        layer, part = ours
        own = next((alpha for key, alpha in alphas.items() if _meant(key, layer)), None)
        if own is not None and part == "lora_b":
            value = value * (float(own) / float(config["lora_alpha"]))
        weights[f"{layer}.{part}"] = mx.contiguous(value.T) if value.ndim == 2 else value
        if part == "lora_a" and weights[f"{layer}.{part}"].shape[-1] != rank:
            said = _("r is {rank}, and {name} has a rank of {other}: its scale cannot be told")
            other = weights[f"{layer}.{part}"].shape[-1]
            raise _not_started(folder, said.format(rank=rank, name=name[:200], other=other))
    numbers = {int(at[1]) for name in weights if (at := _LAYER.search(name))}
    keys = {_LAYER.split(name.rpartition(".")[0])[-1] for name in weights}
    return weights, {
        "model": config.get("base_model_name_or_path"),
        "fine_tune_type": "dora" if config.get("use_dora") else "lora",
        "num_layers": len(numbers),
        "lora_parameters": {"rank": rank, "scale": scale, "keys": sorted(keys)},
    }


def _not_started(folder: Path, why: str, hint: str = "") -> Exception:
    title = _("the PEFT adapter in {folder} cannot be started from").format(folder=folder)
    return refused(title, why, hint, kind="adapter")


def _ours(name: str) -> tuple[str, str] | None:
    """Give the layer and our name for a weight; None for one that there is not."""
    bare = name.removeprefix(_PREFIX)
    for names in (_LINEAR, _EMBEDDING):
        for ours, theirs in names.items():
            for ending in (f".{theirs}", f".{theirs}.weight"):
                if bare.endswith(ending):
                    return bare.removesuffix(ending), ours
    return None


def _meant(key: str, layer: str) -> bool:
    """Whether a key of alpha_pattern is for a layer; it is a pattern, as peft has it.

    Raises ValueError for one that is none, or could take longer than anybody waits.
    """
    if len(key) > _LONGEST or not _BOUNDED.match(key):
        raise ValueError(_("alpha_pattern: {key} is no name of layers").format(key=key[:80]))
    try:
        return re.match(rf"(.*\.)?({key})$", layer) is not None
    except re.error as error:
        raise ValueError(f"alpha_pattern: {key[:80]}: {error}") from error


def _obstacle(config: Mapping[str, Any]) -> str:
    """Say what it does that an adapter here cannot; empty if nothing."""
    begun = str(config.get("init_lora_weights", "")).lower()
    unknown = _("{key}: what it does is not known here")
    told: tuple[tuple[bool, str], ...] = (
        (config.get("peft_type") != "LORA", f"peft_type: {config.get('peft_type')}"),
        (bool(config.get("modules_to_save")), _("modules_to_save: it trained whole layers too")),
        (config.get("bias", "none") != "none", _("bias: it trained biases too")),
        (bool(config.get("lora_bias")), _("lora_bias: its B has a bias")),
        (bool(config.get("rank_pattern")), _("rank_pattern: its layers have different ranks")),
        (bool(config.get("layer_replication")), _("layer_replication: it has more layers")),
        (bool(config.get("target_parameters")), _("target_parameters: it trained experts")),
        (
            bool(config.get("trainable_token_indices")),
            _("trainable_token_indices: it trained single tokens"),
        ),
        (
            begun.startswith(_CHANGE_BASE),
            _("init_lora_weights: {kind} changed the base model too").format(kind=begun),
        ),
        (
            not begun.startswith(_CHANGE_BASE) and begun not in _BEGUN,
            unknown.format(key=f"init_lora_weights: {begun[:80]}"),
        ),
        *((bool(config[key]), unknown.format(key=key[:80])) for key in sorted({*config} - _KNOWN)),
        (not _numbers(config), _("r or lora_alpha is not there")),
    )
    return "\n".join(said for so, said in told if so)


def _numbers(config: Mapping[str, Any]) -> bool:
    """Whether the scale can be told: of all layers, and of those with one of their own."""
    rank, alphas = config.get("r"), config.get("alpha_pattern") or {}
    if type(rank) is not int or rank < 1 or not isinstance(alphas, dict):
        return False
    scales = [config.get("lora_alpha"), *alphas.values()]
    return all(type(each) in (int, float) and 0 < abs(each) < float("inf") for each in scales)


def _no_place(detail: str, hint: str) -> Exception:
    return refused(
        _("this adapter cannot be written as peft has them"), detail, hint, kind="export"
    )


def write(folder: Path, weights: dict[str, mx.array], config: Mapping[str, Any]) -> None:
    mx.save_safetensors(str(folder / WEIGHTS), weights, {"format": "pt"})
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
