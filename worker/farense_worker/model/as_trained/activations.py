"""Activations that a model's config.json names and mlx_lm's class does not compute."""

from __future__ import annotations

from typing import Any

# Model files of mlx_lm that compute SwiGLU, whatever config.json says; a test reads them.
SWIGLU = frozenset(
    {
        "cohere",
        "cohere2",
        "exaone",
        "glm",
        "glm4",
        "granite",
        "helium",
        "internlm2",
        "internlm3",
        "llama",
        "mimo",
        "minicpm",
        "ministral3",
        "olmo2",
        "olmo3",
        "phi3",
        "qwen2",
        "qwen2_moe",
        "qwen3",
        "qwen3_moe",
        "seed_oss",
        "stablelm",
    }
)
_NAMES = ("silu", "swish", "swiglu")


def ignored(config: dict[str, Any], family: str) -> str:
    """Give the activation that config.json names and mlx_lm's file `family` does not compute."""
    named = config.get("hidden_act")
    if not isinstance(named, str) or family not in SWIGLU or named.lower() in _NAMES:
        return ""
    return named[:60]
