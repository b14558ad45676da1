"""What a run may have of the machine's memory, and at which share of that something is done."""

from __future__ import annotations

from farense_worker.protocol.settings.profile import Memory

GIB = 1 << 30
_WEIGHTS = 0.75  # of what is left, for weights: the others are for activations


def limit(settings: Memory, machine: int) -> int:
    """Bytes that the run may take. machine: what that lets MLX use well."""
    own = int(settings.limit_gb * GIB)
    return min(machine, own) if own else machine


def room(settings: Memory, limit: int, used: int) -> int:
    """Bytes of weights that may be loaded while the process has `used` already."""
    return int(_WEIGHTS * max(0.0, settings.warning * limit - used))


def warns(settings: Memory, limit: int, used: int) -> bool:
    """Whether so much is worth a warning."""
    return used >= settings.warning * limit


def critical(settings: Memory, limit: int, used: int) -> bool:
    """Whether so much is more than a run may go on with."""
    return used >= settings.critical * limit
