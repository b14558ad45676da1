"""How much a run writes besides the trunk's activations (trunk.py), and what must be free."""

from __future__ import annotations

from farense_worker.protocol.plan.adapter import Trained

# The record, the log and the configuration; no run starts with less.
RECORD = 64 << 20
# What else should be free when a run starts: macOS swaps to the same disk.
SPARE = 2 << 30


def checkpoints(made: Trained, keep: int) -> int:
    """Bytes of the checkpoints at the worst moment: a better adapter is being published.

    There are then the newest `keep`, the best so far, and the new one, which is the best now, each
    with the optimizer's state; the published adapter, and beside it the one to take its place.
    """
    return (keep + 2) * (made.bytes + made.optimizer) + 2 * made.bytes
