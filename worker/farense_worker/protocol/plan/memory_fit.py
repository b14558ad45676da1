"""The fitted part of the memory model: `benchmarks/forecast/fit.py` prints this table.

From probes on MLX's CPU build, by whether steps are compiled and whether layers are checkpointed.
What the head holds was rounded between that and 24 probes of heads of 32,000 words.
For Metal there is no fit: compiled steps are taken to behave there as they do on the CPU.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fit:
    """What a backend has in memory for a moment, in multiples of what it is counted in.

    frozen_*: a layer without gradient. back_*: a trained one, backwards. Of hidden states (tokens x
    hidden), of ffn activations (tokens x ffn), of attention scores (rows x heads x width^2).
    head_*: hidden states; the logits of a chunk, when there are one, two, three or more chunks.
    gradient: adapters' sizes while the backward pass is under way; update: during the optimizer's.
    """

    frozen_hidden: float
    frozen_ffn: float
    frozen_scores: float
    back_hidden: float
    back_ffn: float
    back_scores: float
    head_hidden: float
    head_one: float
    head_two: float
    head_three: float
    head_more: float
    gradient: float
    update: float


FITS: dict[tuple[str, bool], Fit] = {
    ("eager", False): Fit(4, 3, 2, 0.1, 6.2, 2.2, 14.5, 3.96, 7.5, 9.8, 10.3, 0.63, 1.9),
    ("eager", True): Fit(4, 3, 2, 10.7, 6.2, 2.8, 15.6, 3.7, 6, 8.5, 10.4, 1.2, 2.3),
    ("compiled", False): Fit(4, 3, 2, 22, 1.3, 2.1, 22.6, 3.81, 7.5, 10.5, 11.4, 0.92, 1.93),
    ("compiled", True): Fit(4, 3, 2, 24, 3.2, 2, 22.5, 3.95, 5.51, 8.5, 10, 1.35, 2.05),
}
