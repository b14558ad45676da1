"""What of another machine's profile a run takes over, and keeping a Mac awake."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from farense_worker.protocol import checkpoint_files
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings import recipe
from farense_worker.protocol.settings.profile import Config, Run, Train, replace_setting
from hypothesis import given
from hypothesis import strategies as st

from farense_tui.engine.machine.awake import keep_awake
from farense_tui.engine.profiles import catalogue
from farense_tui.engine.runs import played, steer
from tests import holding
from tests.real_runs import RunMaker, finish, results, state_of
from tests.waiting import until


@pytest.mark.parametrize("name", ["m1-8gb", "m1-16gb", "m1-32gb", "demo"])
@given(batch=st.integers(1, 40), accumulation=st.integers(1, 40))
def test_another_profile_never_makes_it_another_run(
    name: str, batch: int, accumulation: int
) -> None:
    train = Train(batch_size=batch, grad_accumulation=accumulation)
    config = Config(run=Run(name="x"), train=train)
    profile = catalogue.get(name)
    changed = config
    for setting, value in steer.to_profile(config, profile).items():
        assert value != getattr(getattr(config, setting.split(".")[0]), setting.split(".")[1])
        changed = replace_setting(changed, setting, value)
    assert not recipe.broken(recipe.of(config), recipe.of(changed))
    assert changed.train.batch_size <= profile.train.batch_size
    assert changed.train.grad_checkpoint == profile.train.grad_checkpoint
    assert changed.memory == profile.memory


def test_a_mac_is_kept_awake_and_its_display_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, told = tmp_path / "caffeinate", tmp_path / "told"
    program.write_text(f'#!/bin/sh\necho "$@" > "{told}.part" && mv "{told}.part" "{told}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    keep_awake(4711)
    until(told.exists)
    assert told.read_text() == "-i -s -w 4711\n"


def test_elsewhere_nothing_is_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    keep_awake(os.getpid())


# ---- going back -------------------------------------------------------------------------------


def test_a_run_goes_back_to_a_checkpoint_and_is_the_one_it_would_have_been(
    make_run: RunMaker,
) -> None:
    straight, back = make_run("straight"), make_run("back")
    finish(straight)
    assert holding.stop_at(back, 9) == 130
    kept = [each.step for each in back.checkpoints()]
    assert len(kept) > 1
    again = steer.apply(back, {}, back_to=kept[0])
    assert again
    assert again.wait() == 0
    assert state_of(back).segments[-1].resumed_from_step == kept[0]
    assert results(back) == results(straight)


def test_nothing_is_taken_away_for_a_checkpoint_that_is_damaged(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for step in (4, 8):
        place = run.path / checkpoint_files.name(0, step)
        place.mkdir()
        (place / checkpoint_files.MANIFEST).write_text('{"files": {}}')
    with pytest.raises(FarenseError, match="step 4 cannot be gone back to"):
        steer.rewind(run, 4)
    assert [each.step for each in run.checkpoints()] == [4, 8]


def test_a_step_without_a_checkpoint_is_refused_before_anything_stops(
    tmp_path: Path,
) -> None:
    run = played.prepare_scenario("ok", 100.0, tmp_path)
    worker = holding.launch(run, 1)
    try:
        with pytest.raises(FarenseError, match="no checkpoint of step 3"):
            steer.apply(run, {}, back_to=3)
        assert run.is_alive()
        with pytest.raises(FarenseError, match="already being trained"):
            steer.rewind(run, 0)
    finally:
        worker.process.kill()
        worker.wait()
