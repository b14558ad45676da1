"""The task `verify`: the trainer's arithmetic against the plain way of computing the same."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from farense_worker.protocol.settings.profile import Profile

# What is compared. contrast: what mlx_lm.lora's own accumulation is off by, to compare with.
Subject = Literal[
    "accumulated", "contrast", "evaluate", "chunked_head", "trunk", "compiled", "checkpointing"
]


class Request(Struct, tag="verify", frozen=True, kw_only=True):
    """Whose model and rows are computed with, and what of it; model.dtype says in what type.

    rows: examples in a step.
    """

    profile: Profile
    subjects: tuple[Subject, ...]
    rows: int = 8


class Compared(Struct, tag="compared", frozen=True, kw_only=True):
    """Two ways to compute the same. difference: relative; of gradients in the L2 norm.

    loss: the relative difference of the losses, where both were computed.
    """

    subject: Subject
    difference: float
    loss: float = 0.0
    seconds: float = 0.0


class Untried(Struct, tag="untried", frozen=True, kw_only=True):
    """What could not be compared with this model, and why."""

    subject: Subject
    why: str


class Done(Struct, tag="done", frozen=True, kw_only=True):
    """The end. What it was computed on and in: names are MLX's. architecture: of the GPU."""

    device: str
    gpu: bool
    architecture: str
    dtype: str
