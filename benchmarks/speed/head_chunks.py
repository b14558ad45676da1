"""What the size of a chunk of logits costs: memory and processor time of the loss without logits.

    LD_PRELOAD=libopenblas.so.0 python benchmarks/speed/head_chunks.py

512 labels through a head of 32,000 and of 128,256 words, forwards and backwards, chunks of 2 to 32
MB of logits and of at least 16, 32 or 64 rows. All sizes in turn, three rounds; medians.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import mlx.core as mx
import mlx.nn as nn
from farense_worker.model import loss
from farense_worker.protocol.plan import cutting

from benchmarks.common import reference_machine

LABELS, HIDDEN, ROUNDS = 512, 256, 3


def main() -> None:
    """Measure and print."""
    print(reference_machine())
    for vocabulary in (32_000, 128_256):
        head = nn.Linear(HIDDEN, vocabulary, bias=False)
        sizes = [(megabytes, 64) for megabytes in (2, 8, 16, 32)] + [(2, 16), (2, 32)]
        found = defaultdict[tuple[int, int], list[tuple[int, float]]](list)
        for _ in range(ROUNDS):
            for size in sizes:
                found[size].append(measure(head, vocabulary, *size))
        for megabytes, rows in sizes:
            peaks, seconds = zip(*found[megabytes, rows], strict=True)
            print(
                f"{vocabulary:7} words, {megabytes:2} MB, at least {rows} rows: "
                f"{statistics.median(peaks) / 1e6:5.0f} MB, {statistics.median(seconds):.2f} s "
                f"({min(seconds):.2f} to {max(seconds):.2f})",
                flush=True,
            )


def measure(head: nn.Linear, vocabulary: int, megabytes: int, rows: int) -> tuple[int, float]:
    """Peak bytes over what was there, and seconds of processor, of one loss and its gradient."""
    cutting._CHUNK_BYTES, cutting._CHUNK_ROWS = megabytes << 20, rows
    hidden = mx.random.normal((LABELS, HIDDEN))
    targets, mask = mx.random.randint(0, vocabulary, (LABELS,)), mx.ones((LABELS,))
    step = mx.value_and_grad(lambda each: loss.head_loss(head, each, targets, mask))
    mx.eval(head.parameters(), hidden, targets, mask)
    mx.clear_cache()
    mx.reset_peak_memory()
    before, began = mx.get_active_memory(), time.process_time()
    mx.eval(step(hidden))
    return mx.get_peak_memory() - before, time.process_time() - began


if __name__ == "__main__":
    main()
