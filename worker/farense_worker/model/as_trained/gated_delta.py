"""The linear attention of Qwen3.5, Qwen3-Next and their like, trained by MLX's own function.

mlx_lm computes the gated delta rule with a Metal kernel, which has no gradient; to train it takes
one step after the other and keeps the state after each token, on Metal until memory is gone
(mlx-lm#1206). MLX has had a function with a gradient for it since 0.32.4 (Yang et al., 2024).
model/compat.py puts it in the place of mlx_lm's: not run on a Mac yet.
"""

from __future__ import annotations

import functools
from typing import Any

import mlx.core as mx

_Rule = Any  # (q, k, v, g, beta, state, mask) -> (outputs, last state)


def by_mlx(steps: _Rule) -> _Rule:
    """Give a rule that is MLX's where that is the same: one gate a head, no mask."""

    @functools.wraps(steps)
    def rule(
        q: mx.array,
        k: mx.array,
        v: mx.array,
        g: mx.array,
        beta: mx.array,
        state: mx.array | None = None,
        mask: mx.array | None = None,
    ) -> Any:
        if g.ndim > 3 or mask is not None:
            return steps(q, k, v, g, beta, state, mask)
        return tuple(mx.fast.gated_delta_update(q, k, v, g, beta, state))

    return rule
