"""What is trained: which layers, which linear layers in them, and how much that is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from farense_worker.protocol.settings.profile import Profile

# Arrays as large as the trained one that an optimizer of MLX keeps beside it.
_MOMENTS = {"adam": 2, "adamw": 2, "sgd": 1, "muon": 1}
# Bytes of a number of an adapter, a gradient, a moment, and of the copy that takes the updates of a
# trained weight of 16 bits: float32, whatever the model computes in.
_FLOAT32 = 4


@dataclass(frozen=True)
class Trained:
    """How much is trained. Bytes: of the weights, and of what the optimizer keeps of them."""

    parameters: int
    bytes: int
    optimizer: int


def layers(profile: Profile, there: int) -> int:
    """How many of the layers are trained: the top ones."""
    asked = profile.lora.num_layers
    return there if asked < 0 else min(asked, there)


# Of lora.keys: every linear layer of a layer, as mlx_lm takes them where no keys are given.
ALL = "all-linear"


def named(full: str, key: str) -> bool:
    """Whether `key` of lora.keys means the module: its whole name, the end (`q_proj`), or all."""
    return key == ALL or full == key or full.endswith(f".{key}")


def keys(profile: Profile, linear: Iterable[str]) -> list[str]:
    """Names, of those of a layer's linear layers, of the ones that are trained."""
    if profile.train.fine_tune_type == "full":
        return list(linear)
    return [full for full in linear if any(named(full, key) for key in profile.lora.keys)]


def beside_layers(
    profile: Profile, within: Iterable[str], beside: Mapping[str, tuple[int, ...]]
) -> list[str]:
    """Names of what is trained besides layers: of `within` nothing is what such a key means."""
    if profile.train.fine_tune_type == "full":
        named_so = profile.train.modules
    else:
        there = list(within)
        named_so = tuple(
            key for key in profile.lora.keys if not any(named(full, key) for full in there)
        )
    return [full for full in beside if any(named(full, key) for key in named_so)]


def trained(
    profile: Profile,
    linear: Mapping[str, tuple[int, int]],
    there: int,
    *,
    other: int,
    size: int,
    experts: Mapping[str, tuple[int, int, int]],
    beside: Mapping[str, tuple[int, ...]],
) -> Trained:
    """Count what a run trains. linear: of one layer, by name, each (inputs, outputs).

    there: layers of the model. other: weights of a layer besides the linear ones'. size: bytes of
    a number of the model. experts, beside: see model_shape.Shape.

    A LoRA of rank r on a linear layer from n to m features has r (n + m) weights (Hu et al., 2021,
    section 4), DoRA a magnitude for each of the m besides (Liu et al., 2024, equation 5).
    """
    kind, rank = profile.train.fine_tune_type, profile.lora.rank
    shapes: list[tuple[int, ...]] = []
    for name in keys(profile, linear):
        inputs, outputs = linear[name]
        if kind == "full":
            shapes.append((outputs, inputs))
        else:
            shapes += [(inputs, rank), (rank, outputs)]
        if kind == "dora":
            shapes.append((outputs,))
    for name in keys(profile, experts):
        several, inputs, outputs = experts[name]
        if kind == "full":
            shapes.append((several, outputs, inputs))
        else:
            shapes += [(several, rank, inputs), (several, outputs, rank)]
    if kind == "full":
        shapes.append((other,))
    shapes *= layers(profile, there)
    for name in beside_layers(profile, [*linear, *experts], beside):
        if kind == "full":
            shapes.append(beside[name])
        elif len(beside[name]) == 2:
            outputs, inputs = beside[name]
            shapes += [(inputs, rank), (rank, outputs)]
            shapes += [(outputs,)] * (kind == "dora")
    return of(profile, shapes, size if kind == "full" else _FLOAT32)


def of(profile: Profile, shapes: Iterable[tuple[int, ...]], size: int) -> Trained:
    """Count weights of these shapes, `size` bytes a number; the optimizer's are float32."""
    weights = kept = 0
    for shape in shapes:
        count = math.prod(shape)
        weights += count
        kept += _kept(profile.train.optimizer, shape, count)
    copies = weights if size < _FLOAT32 else 0  # loop/master_weights.py
    return Trained(weights, weights * size, (kept + copies) * _FLOAT32)


def _kept(optimizer: str, shape: tuple[int, ...], count: int) -> int:
    if optimizer == "adafactor":  # of a matrix it keeps means of rows and columns
        return count // shape[-1] + count // shape[-2] if len(shape) > 1 else count
    return _MOMENTS[optimizer] * count
