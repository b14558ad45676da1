"""The task `doctor`: what the worker's side of the machine is like."""

from __future__ import annotations

from msgspec import Struct


class Request(Struct, tag="doctor", frozen=True):
    """There is nothing to say."""


class Findings(Struct, tag="findings", frozen=True, kw_only=True):
    """What MLX says of itself. Bytes. `fault`: why it cannot be used, empty if it can.

    translated: an Intel Python on an Apple chip. wanted: the versions this product is tested with.
    """

    python: str
    executable: str
    machine: str
    translated: bool = False
    mlx: str = ""
    mlx_lm: str = ""
    wanted: dict[str, str] = {}
    fault: str = ""
    device: str = ""
    on_gpu: bool = False
    why: str = ""
    memory_limit: int = 0
    memory: int = 0
    seconds: float = 0.0
