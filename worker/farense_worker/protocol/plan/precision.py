"""What a model computes in, by the machine and the model's kind. Names are MLX's: float16 ..."""

from __future__ import annotations

from collections.abc import Iterable

from farense_worker.protocol.settings.profile import Dtype, Model

# The GPUs of M1 and M2, which emulate bfloat16. float16 has its precision and more, not its range.
_EMULATING = ("applegpu_g13", "applegpu_g14")
# Kinds whose activations are known to leave float16's range (65,504): Gemma, Qwen 2 and 2.5.
_OVERFLOWING = ("gemma", "qwen2")


def together(wished: Iterable[Dtype]) -> Dtype:
    """Choose one for models that share their weights: the one with the most range and precision."""
    order: tuple[Dtype, ...] = ("float32", "bfloat16", "model", "auto", "float16")
    return min(wished, key=order.index)


def choose(settings: Model, comes: str, kind: str, *, gpu: bool, architecture: str) -> str:
    """Choose what the model computes in.

    comes: what its floats come in. kind: its model_type. architecture: of the GPU, by
    mx.device_info. On a CPU only float32 products are fast.
    """
    if settings.dtype == "model":
        return comes
    if settings.dtype != "auto":
        return settings.dtype
    if not gpu:
        return "float32"
    if comes != "float32" and kind.startswith(_OVERFLOWING):
        return "bfloat16"
    if comes == "bfloat16" and architecture.startswith(_EMULATING):
        return "float16"
    return comes
