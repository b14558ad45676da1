"""How the next token is chosen: the likeliest, or drawn from those that are likely enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mlx.core as mx

_REMEMBERED = 20  # tokens that a repetition is looked for in, as in mlx_lm


@dataclass(frozen=True)
class Sampling:
    """temperature 0 takes the likeliest. The others mean what they mean in mlx_lm.

    top_p: the likeliest tokens that have so much of the probability together; 1 is all. min_p:
    those with so much of the likeliest one's. repetition: the logits of what was said lately are
    divided by it, or times it where they are below zero; 1 changes nothing. seed: of a key of its
    own, so that nothing else's random numbers change.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition: float = 1.0
    seed: int = 0


def chooser(how: Sampling, prompt: Sequence[int]) -> Callable[[mx.array], mx.array]:
    """Give what chooses, of logits [1, 1, vocabulary], the token [1, 1], again and again.

    It remembers what it has chosen, as MLX's arrays: nothing waits for a token to be computed.
    """
    key = mx.random.key(how.seed)
    recent = mx.array(list(prompt[-_REMEMBERED:]))

    def choose(logits: mx.array) -> mx.array:
        nonlocal key, recent
        scores = logits
        if how.repetition != 1.0:
            scores = _held_back(scores.astype(mx.float32), recent, how.repetition)
        if not how.temperature:
            chosen = mx.argmax(scores, axis=-1)
        else:
            key, own = mx.random.split(key)
            kept = _likely(scores.astype(mx.float32), how)
            chosen = mx.random.categorical(kept / how.temperature, key=own)
        if how.repetition != 1.0:
            recent = mx.concatenate([recent, chosen.reshape(-1).astype(recent.dtype)])
            recent = recent[-_REMEMBERED:]
        return chosen

    return choose


def _held_back(scores: mx.array, recent: mx.array, by: float) -> mx.array:
    at = recent[None, None]
    said = mx.take_along_axis(scores, at, axis=-1)
    less = mx.where(said < 0, said * by, said / by)
    return mx.put_along_axis(scores, at, less, axis=-1)


def _likely(scores: mx.array, how: Sampling) -> mx.array:
    """Leave the tokens that are likely enough; the others can not be drawn."""
    chances = mx.softmax(scores, axis=-1)
    kept = chances >= how.min_p * chances.max(axis=-1, keepdims=True)
    if how.top_p < 1.0:
        order = mx.argsort(chances, axis=-1)  # the likeliest last
        sums = mx.cumsum(mx.take_along_axis(chances, order, axis=-1), axis=-1)
        within = mx.put_along_axis(mx.zeros_like(sums), order, sums, axis=-1) > 1.0 - how.top_p
        kept = kept & (within | (chances == chances.max(axis=-1, keepdims=True)))
    return mx.where(kept, scores, -mx.inf)
