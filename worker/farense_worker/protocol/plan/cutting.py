"""How the rows of a step are cut into micro-batches, and labels into chunks of logits."""

from __future__ import annotations

from collections.abc import Sequence

PAD_TO = 8
# What one more micro-batch costs, in tokens of computation: building its graph, and reading the
# weights once more. Measured as 10 to 50 on small models, computed as 5 to 10 for 7B on an M1.
OVERHEAD = 24
# What each row's copy of a prefix's keys and values takes in memory, as a share of what a token
# that is computed does: 2 of some 30 arrays of its width, which is counted as more.
_PREFIX_OF_A_ROW = 1 / 8
# What the logits of a chunk may take, in float32. About ten arrays of that size are alive at once.
# Larger chunks are not faster, fewer rows than 64 are slower: benchmarks/speed/head_chunks.py.
_CHUNK_BYTES = 8 << 20
_CHUNK_ROWS = 64


def cut(lengths: Sequence[int], most_tokens: int) -> list[list[int]]:
    """Cut rows of these lengths into micro-batches; lists of indices. See `cheapest`."""
    return cheapest(lengths, most_tokens)[1]


def cheapest(
    lengths: Sequence[int], most_tokens: int, prefix: int = 0
) -> tuple[float, list[list[int]]]:
    """Cut rows of these lengths into micro-batches of so many tokens, padding included.

    Sorted by length, and cut where that saves more padding than one more micro-batch costs: the
    cheapest of all contiguous cuts, by dynamic programming. A row that is longer than the most
    goes alone. Gives what it costs, in tokens of computation, and lists of indices.

    prefix: tokens that all rows begin with, which are computed by themselves and cost nothing here.
    """
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    cost = [0.0] + [float("inf")] * len(order)
    start_of = [0] * (len(order) + 1)
    for end in range(1, len(order) + 1):
        width = padded(lengths[order[end - 1]] - 1 - prefix)
        most = at_once(width, most_tokens, prefix)
        for start in range(max(0, end - most), end):
            total = cost[start] + (end - start) * width + OVERHEAD
            if total < cost[end]:
                cost[end], start_of[end] = total, start
    pieces: list[list[int]] = []
    end = len(order)
    while end:
        pieces.append(order[start_of[end] : end])
        end = start_of[end]
    return cost[-1], pieces[::-1]


def at_once(width: int, most_tokens: int, prefix: int = 0) -> int:
    """Count the rows of this width that go through the model at once, behind a prefix."""
    return max(1, int((most_tokens - prefix) // (width + prefix * _PREFIX_OF_A_ROW)))


def padded(width: int) -> int:
    """Round a width up to the next multiple of 8."""
    return -(-width // PAD_TO) * PAD_TO


def rounded(labels: int) -> int:
    """Round a number of labels up, by at most a quarter or 7, so that few numbers come up.

    A compiled function is traced anew for every shape.
    """
    step = max(8, 1 << max(0, labels.bit_length() - 3))
    return -(-labels // step) * step


def chunk_of(labels: int, vocabulary: int) -> int:
    """Rows of logits that are computed at once, in chunks as even as can be."""
    most = max(_CHUNK_ROWS, _CHUNK_BYTES // (4 * vocabulary))
    chunks = max(1, -(-labels // most))
    return max(1, -(-labels // chunks))
