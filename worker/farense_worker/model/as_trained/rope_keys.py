"""How far a model sees positions apart: what transformers 5 writes, in the keys that mlx_lm reads.

transformers 5 writes `rope_parameters` alone; most model files of mlx_lm read `rope_theta`,
`rope_scaling` and their like, and take their defaults without a word where these are missing:
theta 10,000 for a Llama 3 of 500,000, and no scaling.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def add_older(config: dict[str, Any], reads: Mapping[str, Any]) -> list[str]:
    """Put into `config` what is missing of the older keys; name those that make a difference.

    reads: the keys that the model's class takes, with their defaults. A class that takes
    `rope_parameters` is left alone.
    """
    parameters = config.get("rope_parameters")
    if not isinstance(parameters, dict) or "rope_parameters" in reads:
        return []
    made = {
        key: value
        for key, value in _older(parameters).items()
        if key in reads and config.get(key) is None
    }
    config.update(made)
    return sorted(key for key, value in made.items() if value not in (None, reads[key]))


def _older(parameters: dict[str, Any]) -> dict[str, Any]:
    """Translate. Kinds of attention may have parameters of their own; those of full count first."""
    if "full_attention" in parameters:
        whole = _older(parameters["full_attention"])
        local = parameters.get("sliding_attention", {}).get("rope_theta")
        if local is not None:
            whole |= {"rope_local_base_freq": local, "swa_rope_theta": local}
        return whole
    made: dict[str, Any] = {}
    theta, partial = parameters.get("rope_theta"), parameters.get("partial_rotary_factor")
    if theta is not None:
        made |= {"rope_theta": theta, "rotary_emb_base": theta}
    if partial is not None:
        made |= {"partial_rotary_factor": partial, "rotary_pct": partial}
    made["rope_scaling"] = None  # some classes insist on being told
    kind = parameters.get("rope_type") or parameters.get("type") or "default"
    if kind != "default":
        rest = {k: v for k, v in parameters.items() if k not in ("rope_theta", "rope_type")}
        made["rope_scaling"] = rest | {"type": kind, "rope_type": kind}
    return made
