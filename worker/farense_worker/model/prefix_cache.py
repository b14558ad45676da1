"""What rows begin with alike, computed once: its keys and values, gradient and all.

In a causal model the tokens that rows share have the same keys and values in all of them. mlx_lm's
classes take a cache, into which each layer puts its own and from which it gets those of what came
before. Such caches are here that keep the gradient, and that hand one prefix to many rows:

    caches = empty(model)                 for the prefix, (1, P)
    model.body(prefix, cache=caches)
    model.body(rows, cache=handed_on(caches, P, n))     for what n rows have after it, (n, width)

Attention is given keys and values; layers with a state instead of them (linear attention, state
spaces, convolutions) that state.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from farense_worker.model import compat

State = Any  # a tree of arrays and None


class Keys:
    """Keys and values of an attention layer, as mlx_lm's KVCache has them, with their gradient.

    Those of a prefix (1, heads, P, size) go before each row's own. A sliding window hides what is
    too far back by its mask alone: nothing is dropped.
    """

    def __init__(self, offset: int = 0, state: State = (None, None)) -> None:
        """offset: tokens that came before, also where no layer has put their keys here."""
        self.offset = offset
        self.state = state

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """Put keys and values (n, heads, width, size) behind what is here; give all of them."""
        self.offset += keys.shape[-2]
        before = self.state
        if before[0] is not None:
            keys = mx.concatenate([_for_rows(before[0], len(keys)), keys], axis=-2)
            values = mx.concatenate([_for_rows(before[1], len(values)), values], axis=-2)
        self.state = (keys, values)
        return keys, values

    def make_mask(
        self, n: int, return_array: bool = False, window_size: int | None = None
    ) -> mx.array | str | None:
        """Make the causal mask of n tokens over all, an array only where it has to be one."""
        total = self.offset + n
        if return_array or (window_size and total > window_size):
            at = mx.arange(self.offset, total)[:, None]
            over = mx.arange(total)[None]
            mask = at >= over
            return mask & (at < over + window_size) if window_size else mask
        return "causal" if n > 1 else None


def empty(model: nn.Module) -> list[Any]:
    """Make the caches that a model's layers want, with nothing in them.

    Raises TypeError for a kind of cache that a prefix cannot be handed on with.
    """
    return [_empty(each) for each in compat.make_prompt_cache(model)]


def handed_on(caches: list[Any], length: int, rows: int) -> list[Any]:
    """Make caches for so many rows from those that a prefix of this length has gone through."""
    return [_handed_on(each, length, rows) for each in caches]


def arrays(caches: list[Any]) -> list[mx.array]:
    """Give what caches hold, one array after the other; an empty one stands for nothing."""
    found = list[mx.array]()
    for each in caches:
        _collect(held(each), found)
    return found


def filled(model: nn.Module, values: list[mx.array]) -> list[Any]:
    """Make a model's caches that hold this, as `arrays` gives it."""
    rest, made = iter(values), empty(model)
    return [copied(each, _in_place_of(held(each), rest)) for each in made]


def window(model: nn.Module) -> float:
    """Tokens that the shortest sliding window of a model sees; infinite without one."""
    found = compat.make_prompt_cache(model)
    return min(
        (each.max_size for each in found if isinstance(each, compat.RotatingKVCache)),
        default=math.inf,
    )


# ---- for mx.checkpoint, which takes arrays, and not who has them ------------------------------


def among(values: Iterable[Any]) -> Any:
    """Find the cache among what a layer is called with; None without one."""
    kinds = (Keys, compat.ArraysCache, compat.CacheList)
    return next((each for each in values if isinstance(each, kinds)), None)


def held(cache: Any) -> State:
    """Give the arrays that a cache holds."""
    if cache is None:
        return None
    if isinstance(cache, compat.CacheList):
        return [held(each) for each in cache.caches]
    return list(cache.state if isinstance(cache, Keys) else cache.cache)


def hold(cache: Any, arrays: State) -> None:
    """Let a cache hold these arrays, which have gone through its layer."""
    if isinstance(cache, compat.CacheList):
        for each, its in zip(cache.caches, arrays, strict=True):
            hold(each, its)
    elif isinstance(cache, Keys):
        cache.state, cache.offset = tuple(arrays), arrays[0].shape[-2]
    elif cache is not None:
        cache.cache = list(arrays)


def copied(cache: Any, arrays: State) -> Any:
    """Make a cache like this one that holds these arrays in place of its own."""
    if isinstance(cache, compat.CacheList):
        pairs = zip(cache.caches, arrays, strict=True)
        return type(cache)(*(copied(each, its) for each, its in pairs))
    if isinstance(cache, Keys):
        return Keys(cache.offset, tuple(arrays))
    if cache is None:
        return None
    made = compat.ArraysCache(len(arrays))
    made.cache = list(arrays)
    return made


# ---- of one kind of cache ---------------------------------------------------------------------


def _empty(cache: Any) -> Any:
    if isinstance(cache, compat.KVCache | compat.RotatingKVCache):
        return Keys()
    if isinstance(cache, compat.CacheList):
        return type(cache)(*map(_empty, cache.caches))
    if type(cache) is compat.ArraysCache:
        return cache
    raise TypeError(f"no prefix with {type(cache).__name__}")  # not translated: caught


def _handed_on(cache: Any, length: int, rows: int) -> Any:
    if isinstance(cache, Keys):
        return Keys(length, cache.state)
    if isinstance(cache, compat.CacheList):
        return type(cache)(*(_handed_on(each, length, rows) for each in cache.caches))
    return copied(cache, [None if each is None else _for_rows(each, rows) for each in cache.cache])


def _collect(state: State, found: list[mx.array]) -> None:
    if isinstance(state, list):
        for each in state:
            _collect(each, found)
    else:
        found.append(mx.zeros((0,)) if state is None else state)


def _in_place_of(state: State, values: Iterator[mx.array]) -> State:
    if isinstance(state, list):
        return [_in_place_of(each, values) for each in state]
    value = next(values)
    return value if value.size else None


def _for_rows(value: mx.array, rows: int) -> mx.array:
    return mx.broadcast_to(value, (rows, *value.shape[1:]))
