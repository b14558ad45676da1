"""How much goes through at once: as many rows as fit, and never more than are asked for."""

from __future__ import annotations

from itertools import product

import pytest
from farense_worker.protocol.plan import budget, model_shape
from farense_worker.protocol.plan.cutting import padded
from farense_worker.protocol.plan.memory import GIB
from farense_worker.protocol.settings.profile import Profile, replace_setting
from hypothesis import given
from hypothesis import strategies as st

from farense_tui.engine.forecast.forecast import Forecast, Place, forecast
from farense_tui.engine.profiles import catalogue

MISTRAL = model_shape.known("mlx-community/Mistral-7B-Instruct-v0.3-4bit")
COUNTED = {"train": 400, "valid": 100}
MACS = {
    entry.name: entry.profile
    for entry in catalogue.find()
    if entry.profile and entry.profile.profile.memory_gb
}


def foretold(profile: Profile, repo: str) -> Forecast:
    """Of the machine that the profile is for, all rows as long as may be."""
    shape = model_shape.known(repo)
    assert shape is not None
    limit = int(profile.profile.memory_gb * GIB * 2 / 3)  # of macOS up to 15; newer ones give more
    return forecast(
        shape, profile, Place(limit, None, None, gpu=True, chip="Apple M1"), {}, COUNTED
    )


@pytest.mark.parametrize("name", MACS)
def test_each_profile_fits_its_machine_and_is_the_fastest_that_does(name: str) -> None:
    made = MACS[name]
    for repo in (made.model.repo, made.model.fallback):
        own = foretold(made, repo)
        assert own.verdict == "fits"
        ladder = []
        for rows, checkpoints in product(range(1, made.train.batch_size + 1), (False, True)):
            rung = replace_setting(made, "train.grad_checkpoint", checkpoints)
            rung = replace_setting(rung, "train.batch_size", rows)
            if made.effective_batch % rows == 0:
                rung = replace_setting(
                    rung, "train.grad_accumulation", made.effective_batch // rows
                )
                ladder.append(foretold(rung, repo))
        assert own.step_seconds == min(each.step_seconds or 0 for each in ladder)


def test_what_comes_and_goes_grows_with_what_goes_through_at_once() -> None:
    assert MISTRAL
    profile = Profile()
    sizes = [
        budget.comes_and_goes(profile, MISTRAL, tokens, 256, gpu=True, cached=False)
        for tokens in (256, 512, 1024)
    ]
    assert 0 < sizes[0] < sizes[1] < sizes[2]


@given(
    st.integers(1, 64),
    st.integers(16, 1024),
    st.integers(1, 40),
    st.integers(8, 1024),
    st.booleans(),
    st.booleans(),
)
def test_as_much_goes_through_as_fits(
    rows: int, length: int, gib: int, longest: int, gpu: bool, cached: bool
) -> None:
    made = replace_setting(Profile(), "train.batch_size", rows)
    made = replace_setting(made, "train.max_seq_length", length)
    longest = min(longest, length)
    width = padded(longest - 1)
    limit = gib * GIB
    found = budget.planned(made, MISTRAL, limit, longest, gpu=gpu, cached=cached)
    asked = budget.most(made)
    assert found <= max(asked, width)
    most = min(made.effective_batch, found // width)  # a step has no more rows
    assert MISTRAL
    shape = MISTRAL.computed(made, gpu=gpu)
    assert most <= 1 or budget.fits(made, shape, limit, most, width, gpu, cached)
    if found < asked:
        assert not budget.fits(made, shape, limit, most + 1, width, gpu, cached)


def test_where_nothing_is_known_it_is_what_was_asked_for() -> None:
    asked = budget.most(Profile())
    assert budget.planned(Profile(), None, GIB, 100, gpu=True, cached=False) == asked
    assert budget.planned(Profile(), MISTRAL, 0, 100, gpu=True, cached=False) == asked
