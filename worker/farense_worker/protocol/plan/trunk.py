"""Whether the frozen layers below the trained ones are computed once and stored, and how."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.plan import adapter
from farense_worker.protocol.plan.memory import GIB
from farense_worker.protocol.settings.profile import Profile

# Classes that a test splits and compares; where the whole model fits it is compared there too.
# mlx_lm loads mistral as llama.
KNOWN = ("gemma", "gemma2", "gemma3_text", "llama", "mistral", "phi3", "qwen2", "qwen3")
_FREE_DISK = 0.5  # of the free space, at most, for the file


def frozen(profile: Profile, layers: int) -> int:
    """How many layers are below the trained ones."""
    return layers - adapter.layers(profile, layers)


def stored_bytes(tokens: int, hidden: int, size: int) -> int:
    """Bytes of the stored activations: hidden states, each number of `size` bytes.

    tokens: of all rows, training and validation; the last of each enters no layer.
    """
    return tokens * hidden * size


def objection(profile: Profile, frozen: int, size: int, free: int | None, *, ranks: int = 1) -> str:
    """Say why the trunk is not cached, empty if it is.

    frozen: layers of it. size: bytes of the stored activations, 0 if they are there already.
    free: bytes of the disk; None is unknown.
    """
    train, most = profile.train, profile.memory.trunk_cache_gb
    if train.trunk_cache == "off":
        return _("train.trunk_cache is off")
    if not frozen:
        return _("all layers are trained, so there is no frozen trunk")
    if ranks > 1:
        return _("with several ranks every one of them would have to keep it")
    if train.epochs == 1 and train.trunk_cache == "auto":
        return _("in one epoch nothing is computed twice")
    if size > most * GIB:
        return _("its activations take {size:.2f} GB, memory.trunk_cache_gb is {limit:g}").format(
            size=size / 1e9, limit=most
        )
    if free is not None and size > free * _FREE_DISK:
        return _(
            "its activations take {size:.2f} GB, and {free:.2f} GB are free on the disk"
        ).format(size=size / 1e9, free=free / 1e9)
    return ""


def groups(sizes: Sequence[int], room: int) -> Iterator[tuple[int, int]]:
    """Cut layers of these bytes into groups, as pairs of first and end, of at most `room` bytes.

    A group has at least one layer. One group after the other is computed and let go.
    """
    start, taken = 0, 0
    for at, size in enumerate(sizes):
        if at > start and taken + size > room:
            yield start, at
            start, taken = at, 0
        taken += size
    yield start, len(sizes)
