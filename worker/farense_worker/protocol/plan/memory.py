"""What a run may have of the machine's memory, and at which share of that something is done."""

from __future__ import annotations

from typing import Literal

from farense_worker.protocol.settings.profile import Memory

Verdict = Literal["fits", "tight", "will not fit", "unknown"]  # not translated: keys

GIB = 1 << 30
# The process outside of what MLX counts, where nothing more is known of it.
PROCESS = 200 << 20
# Of that Python, MLX and numpy (46 MiB when all is imported) with what they need to compute; and a
# tokenizer for each byte of its tokenizer.json, as transformers holds it. Measured on Linux with
# vocabularies of 5,000, 50,000 and 150,000 words: docs/performance.md.
_PROGRAM = 100 << 20
_TOKENIZER = 15
# What macOS and a few programs want of a Mac's memory. By published runs on an M1 of 8 GB models of
# 7B and 8B with 4.3 to 4.5 GiB in use went on at 33 to 36 tokens a second while swap grew from 3 to
# 9 GB; one of 3B with 2 GiB did not swap (docs/performance.md).
SYSTEM = 4 * GIB
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


def pages(memory: int, needed: int) -> bool:
    """Whether a Mac of so much memory swaps with a run that takes so much. 0 is unknown."""
    return 0 < memory < needed + SYSTEM


def critical(settings: Memory, limit: int, used: int) -> bool:
    """Whether so much is more than a run may go on with."""
    return used >= settings.critical * limit


def cache(settings: Memory, peak: int, resident: int) -> int:
    """Bytes of freed buffers that MLX may keep: no more than what comes and goes in a step."""
    return min(int(settings.cache_limit_gb * GIB), peak - resident)


def program(tokenizer: int, *, gpu: bool) -> int:
    """Bytes of the process that MLX does not count. tokenizer: of tokenizer.json, 0 if unknown.

    With a GPU, where nobody has measured it, no less than PROCESS.
    """
    own = _PROGRAM + _TOKENIZER * tokenizer
    return max(PROCESS, own) if gpu else own


def verdict(
    settings: Memory,
    limit: int,
    peak: int,
    cache: int,
    available: int | None = None,
    program: int = PROCESS,
) -> Verdict:
    """Judge a forecast by the shares at which the training warns, and at which it stops.

    peak: the most that MLX has in use, on top of which it may `cache`. available: bytes of the
    machine that are free now. program: of the process beside it.
    """
    if not limit:
        return "unknown"
    needed = peak + program
    if critical(settings, limit, needed):
        return "will not fit"  # not translated: a key
    short = available is not None and needed > available
    if short or warns(settings, limit, needed + cache):
        return "tight"
    return "fits"
