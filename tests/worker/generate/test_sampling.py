"""How a token is chosen, by logits of which the right choice is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import pytest
from farense_worker.generate.sampling import Sampling, chooser
from mlx_lm.sample_utils import apply_min_p, apply_top_p, make_repetition_penalty

LOGITS = mx.array([[[2.0, 1.5, 1.0, -1.0, -3.0]]])


def token(choose: Callable[[mx.array], mx.array]) -> int:
    found: Any = choose(LOGITS).item()
    return int(found)


def drawn(how: Sampling, times: int = 200) -> set[int]:
    choose = chooser(how, [0])
    return {token(choose) for _ in range(times)}


def test_the_likeliest_is_taken_without_a_temperature() -> None:
    assert drawn(Sampling(), 5) == {0}
    assert drawn(Sampling(top_p=0.5, min_p=0.5), 5) == {0}


def test_the_same_seed_draws_the_same() -> None:
    def line(seed: int) -> list[int]:
        choose = chooser(Sampling(temperature=1.0, seed=seed), [0])
        return [token(choose) for _ in range(30)]

    assert line(3) == line(3)
    assert line(3) != line(4)


@pytest.mark.parametrize("top_p", [0.3, 0.5, 0.8, 0.95])
def test_top_p_leaves_what_mlx_lm_leaves(top_p: float) -> None:
    mx.disable_compile()
    logprobs = LOGITS[0] - mx.logsumexp(LOGITS[0], axis=-1, keepdims=True)
    kept = apply_top_p(logprobs, top_p)[0].tolist()
    allowed = {at for at, value in enumerate(kept) if value > float("-inf")}
    assert drawn(Sampling(temperature=5.0, top_p=top_p), 400) == allowed


@pytest.mark.parametrize("min_p", [0.02, 0.3, 0.5])
def test_min_p_leaves_what_mlx_lm_leaves(min_p: float) -> None:
    mx.disable_compile()
    logprobs = LOGITS[0] - mx.logsumexp(LOGITS[0], axis=-1, keepdims=True)
    kept = apply_min_p(logprobs, min_p)[0].tolist()
    allowed = {at for at, value in enumerate(kept) if value > float("-inf")}
    assert drawn(Sampling(temperature=5.0, min_p=min_p), 400) == allowed


def test_what_was_said_is_held_back() -> None:
    choose = chooser(Sampling(repetition=1.4), [4])
    assert [token(choose) for _ in range(3)] == [0, 1, 0]
    theirs = make_repetition_penalty(1.4, 20)(mx.array([0, 3]), LOGITS[0])
    from farense_worker.generate.sampling import _held_back

    assert mx.allclose(_held_back(LOGITS, mx.array([0, 3]), 1.4)[0], theirs)
