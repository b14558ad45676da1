"""What prompts begin with alike goes through the model once; every answer goes on from there."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np

from farense_worker.data import shared_prefix
from farense_worker.data.examples import Examples
from farense_worker.model import compat
from farense_worker.protocol.plan.prefix import NONE

_PREFILL = 512  # tokens of a prompt that go through at once


@dataclass(frozen=True)
class Begun:
    """A prompt's beginning of `length` tokens that has gone through: the caches after it."""

    length: int
    caches: list[Any]

    def handed_on(self, rows: int) -> list[Any]:
        """Make caches for so many prompts that begin so."""
        return [_copied(each, rows) for each in self.caches]


def begin(model: Any, tokens: Sequence[int]) -> Begun | None:
    """Let the beginning of prompts go through; None for caches that cannot be handed on."""
    caches = compat.make_prompt_cache(model)
    if not tokens or not all(map(_known, caches)):
        return None
    through(model, mx.array([list(tokens)]), caches)
    return Begun(len(tokens), caches)


def through(model: Any, tokens: mx.array, caches: list[Any]) -> None:
    """Let tokens (rows, n) go through the model for what its caches keep of them."""
    while tokens.shape[1]:
        model(tokens[:, :_PREFILL], cache=caches)
        mx.eval([each.state for each in caches])
        tokens = tokens[:, _PREFILL:]


def groups(prompts: Sequence[Sequence[int]]) -> Iterator[tuple[Sequence[int], list[int]]]:
    """Sort prompts by what they begin with: the tokens, none for those alone, and which prompts."""
    if not prompts:
        return
    lengths = [len(prompt) for prompt in prompts]
    tokens = np.concatenate([np.array(prompt, np.int32) for prompt in prompts])
    bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    found = shared_prefix.find(
        Examples(tokens, bounds, np.zeros(len(tokens), np.bool_), 0), shared_prefix.AT_ONCE
    )
    for group, length in [(NONE, 0), *enumerate(found.lengths)]:
        numbers = found.rows(group).tolist()
        if numbers:
            yield prompts[numbers[0]][:length], numbers


def _known(cache: Any) -> bool:
    if isinstance(cache, compat.CacheList):
        return all(map(_known, cache.caches))
    return type(cache) in (compat.KVCache, compat.RotatingKVCache, compat.ArraysCache)


def _copied(cache: Any, rows: int) -> Any:
    """Copy a cache of one row for so many; what is written to a copy, the others do not have."""
    made = copy.copy(cache)
    if isinstance(cache, compat.CacheList):
        made.caches = tuple(_copied(each, rows) for each in cache.caches)
    elif isinstance(cache, compat.ArraysCache):
        made.cache = [each if each is None else _for(rows, each) for each in cache.cache]
    elif cache.keys is not None:
        made.keys, made.values = _for(rows, cache.keys), _for(rows, cache.values)
    return made


def _for(rows: int, value: mx.array) -> mx.array:
    return mx.broadcast_to(value, (rows, *value.shape[1:]))
