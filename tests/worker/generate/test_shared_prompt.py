"""Answers to prompts that begin alike are those that each prompt has by itself."""

from __future__ import annotations

import itertools

import mlx.core as mx
import numpy as np
import pytest
from farense_worker.generate import decoding, shared_prompt

from tests.worker.model.test_prefix_cache import STATES
from tests.worker.model.test_split_forward import build


def prompts() -> list[list[int]]:
    """Two beginnings, both longer than the sliding window of these models, and a prompt alone."""
    rng = np.random.default_rng(1)
    one, other = (rng.integers(1, 280, 24).tolist() for _ in range(2))
    ends = [rng.integers(1, 280, n).tolist() for n in (3, 7, 3, 5, 1, 9)]
    begun = [[*(one if at % 2 else other), *end] for at, end in enumerate(ends)]
    return [*begun, rng.integers(1, 280, 11).tolist()]


def test_prompts_are_sorted_by_what_they_begin_with() -> None:
    asked = prompts()
    found = {len(alike): numbers for alike, numbers in shared_prompt.groups(asked)}
    assert sorted(n for numbers in found.values() for n in numbers) == list(range(7))
    assert found[0] == [6]
    assert list(shared_prompt.groups([])) == []
    assert [list(numbers) for _alike, numbers in shared_prompt.groups(asked[:1])] == [[0]]


@pytest.mark.parametrize("kind", ["llama", "gemma2", "gemma3_text", *STATES])
def test_the_answers_are_the_same(kind: str) -> None:
    network = build(kind, **STATES.get(kind, {}))
    network.eval()
    for alike, numbers in shared_prompt.groups(prompts()):
        begun = shared_prompt.begin(network, alike)
        assert (begun is None) == (not alike)
        for number in numbers:
            prompt = prompts()[number]
            alone = list(itertools.islice(decoding.tokens(network, prompt, 6), 6))
            assert list(decoding.tokens(network, prompt, 6, begun=begun)) == alone


def test_caches_of_another_kind_begin_nothing() -> None:
    class Odd:
        layers = (1,)

        def make_cache(self) -> list[object]:
            return [object()]

        def __call__(self, *_args: object, **_kwargs: object) -> mx.array:
            raise AssertionError

    assert shared_prompt.begin(Odd(), [1, 2, 3]) is None
