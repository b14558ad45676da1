"""Exact resume with every optimizer and schedule, and what a resume refuses or may change."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from farense_worker.loop.checkpoint import TrainingState
from farense_worker.loop.distributed import Ranks
from farense_worker.loop.start import handover, resume_check
from farense_worker.protocol.errors import ExitCode, FarenseError

from farense_tui.engine.runs import resuming, supervisor
from tests import holding
from tests.real_runs import RunMaker, finish, results, state_of

VARIANTS: dict[str, dict[str, Any]] = {
    "adamw-cosine": {
        "train__optimizer": "adamw",
        "train__weight_decay": 0.1,
        "train__schedule": "cosine",
        "train__max_grad_norm": 0.5,
    },
    "sgd-linear": {
        "train__optimizer": "sgd",
        "train__weight_decay": 0.01,
        "train__schedule": "linear",
        "train__final_learning_rate": 1e-3,
    },
    "adafactor-checkpointed": {"train__optimizer": "adafactor", "train__grad_checkpoint": True},
    "muon-dora": {"train__optimizer": "muon", "train__fine_tune_type": "dora"},
    "full-samples": {
        "train__fine_tune_type": "full",
        "train__learning_rate": 1e-3,
        "lora__num_layers": 1,
        "report__prompts": ("Quem?",),
        "report__sample_tokens": 4,
    },
}


@pytest.mark.parametrize("name", VARIANTS)
def test_killed_and_resumed_equals_uninterrupted(make_run: RunMaker, name: str) -> None:
    straight = make_run("straight", **VARIANTS[name])
    finish(straight)
    killed = make_run("killed", **VARIANTS[name])
    holding.kill_at(killed, 7)
    finish(killed)
    assert len(state_of(killed).segments) == 2
    assert results(killed) == results(straight)


def test_a_stop_in_the_last_step_leaves_its_validation_to_a_resume(make_run: RunMaker) -> None:
    straight = make_run("straight")
    total = finish(straight).total_steps
    stopped = make_run("stopped")
    assert holding.stop_at(stopped, total) == ExitCode.STOPPED
    assert state_of(stopped).status == "stopped"
    assert state_of(stopped).validations[-1].step < total
    state = finish(stopped)
    assert state.status == "completed"
    assert state.validations[-1].step == total
    assert results(stopped) == results(straight)


def test_another_validation_cadence_does_not_change_the_curve(make_run: RunMaker) -> None:
    often = finish(make_run("often", report__eval_every=1, report__prompts=("Quem?",)))
    seldom = finish(make_run("seldom", report__eval_every=100))
    assert list(often.loss) == list(seldom.loss)


def test_more_epochs_after_the_end(make_run: RunMaker) -> None:
    longer = make_run("longer", train__epochs=4)
    finish(longer)
    folder = make_run("short", train__epochs=2)
    finish(folder)
    with pytest.raises(FarenseError, match="is complete"):
        resuming.prepare_resume(folder, {})
    resuming.prepare_resume(folder, {"train.epochs": 4})
    state = finish(folder)
    assert state.total_steps == 12
    assert [n.message for n in state.notices if n.code == "setting_changed"] == [
        "train.epochs was 2, from step 7 on it is 4"
    ]
    assert list(state.loss) == list(state_of(longer).loss)


def test_a_smaller_micro_batch_goes_on_with_the_same_curve(make_run: RunMaker) -> None:
    settings: dict[str, Any] = {"lora__dropout": 0.0}
    straight = finish(make_run("straight", **settings))
    folder = make_run("changed", **settings)
    holding.kill_at(folder, 5)
    resuming.prepare_resume(folder, {"train.batch_size": 1, "train.grad_accumulation": 8})
    state = finish(folder)
    assert [v for _, v in state.loss] == pytest.approx([v for _, v in straight.loss], rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"train.seed": 5}, "train.seed was 0 and is 5"),
        ({"lora.rank": 2}, "lora.rank was 4 and is 2"),
        ({"train.batch_size": 8}, "effective batch .* was 8 and is 16"),
        ({"model.repo": "embedded"}, "embedded is another model"),
    ],
)
def test_a_resume_refuses_by_name(make_run: RunMaker, changes: dict[str, Any], named: str) -> None:
    folder = make_run()
    before = folder.config.read_text()
    with pytest.raises(FarenseError) as refused:
        resuming.prepare_resume(folder, changes)
    assert refused.value.exit_code == ExitCode.REFUSED
    assert re.search(named, refused.value.detail)
    assert "model.adapter=" in refused.value.hint
    assert folder.config.read_text() == before


def test_another_model_is_refused(make_run: RunMaker, tmp_path: Path, micro: Path) -> None:
    own = tmp_path / "model"
    own.mkdir()
    for path in micro.iterdir():
        (own / path.name).write_bytes(path.read_bytes())
    folder = make_run(model__repo=str(own))
    holding.kill_at(folder, '"type":"checkpoint"')
    config = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 1e-6}))
    assert supervisor.launch(folder).wait() == 3
    failure = state_of(folder).failure
    assert failure is not None
    assert failure.detail == "the model is not what it was"


def test_a_run_can_start_from_an_adapter(make_run: RunMaker) -> None:
    first = make_run("first", lora__dropout=0.0)
    before = finish(first)
    second = finish(make_run("second", model__adapter=str(first.adapters), lora__dropout=0.0))
    assert before.best is not None
    assert second.validations[0].loss == pytest.approx(before.best.loss, rel=1e-6)


def test_an_adapter_of_another_shape_is_refused(make_run: RunMaker) -> None:
    first = make_run("first", train__epochs=1)
    finish(first)
    folder = make_run("second", model__adapter=str(first.adapters), lora__rank=2)
    assert supervisor.launch(folder).wait() == 3
    failure = state_of(folder).failure
    assert failure is not None
    assert "rank 4" in failure.hint


def test_early_stopping_ends_the_run(make_run: RunMaker) -> None:
    folder = make_run(
        train__learning_rate=0.5, train__epochs=40, train__early_stopping=2, report__eval_every=1
    )
    state = finish(folder)
    assert state.status == "early_stopping"
    assert state.best is not None
    later = [v for v in state.validations if v.step > state.best.step]
    assert len(later) == 2
    assert state.step < state.total_steps


def test_a_rollback_goes_on_with_half_the_rate(make_run: RunMaker) -> None:
    """Each step multiplies the weights by 1 - rate * decay: -9, -4, -1.5, and then -0.25."""
    settings: dict[str, Any] = {
        "train__optimizer": "sgd",
        "train__learning_rate": 1.0,
        "train__weight_decay": 10.0,
        "train__warmup_steps": 0,
        "train__epochs": 30,
        "train__rollbacks": 30,
        "report__eval_every": 1000,
    }
    state = finish(make_run("first", **settings))
    rolled = [n for n in state.notices if n.code == "rollback"]
    assert rolled
    assert state.step == state.total_steps
    assert [step for step, _ in state.loss] == list(range(1, state.total_steps + 1))
    assert state.learning_rate.last == pytest.approx(0.5 ** len(rolled))
    again = finish(make_run("second", **settings))
    assert list(again.loss) == list(state.loss)


@pytest.mark.parametrize(
    ("name", "after", "factor"),
    [("train.learning_rate", 5e-5, 1.0), ("train.epochs", 5, 0.25), ("train.epochs", 3, 0.25)],
)
def test_a_rate_that_is_set_anew_is_taken_whole(name: str, after: float, factor: float) -> None:
    """The log says "from step 8 on it is 5e-05": what rollbacks left is of the rate before."""
    recipe = {"train.learning_rate": 2e-4, "train.epochs": 3}
    then = TrainingState(step=7, rollbacks=2, rate_factor=0.25, recipe=recipe)
    now = TrainingState(recipe=recipe | {name: after})
    found = resume_check.updated(then, now)
    assert (found.step, found.rollbacks, found.rate_factor) == (7, 2, factor)
    assert found.recipe == now.recipe


@pytest.mark.parametrize(
    ("then", "now", "refused"),
    [
        ("a", "a", False),
        ("a", "b", True),
        ("a", "", True),  # the best one so far would stay the run's adapter for ever
        ("", "b", False),  # there was none before, or an earlier version did not write it down
    ],
)
def test_other_validation_rows_are_refused(then: str, now: str, refused: bool) -> None:
    """Losses on them say nothing of which adapter is the best: the wrong one would be kept."""
    states = TrainingState(data="x", valid=then), TrainingState(data="x", valid=now)
    if refused:
        with pytest.raises(FarenseError, match="another run") as told:
            resume_check.compare(*states)
        assert "the validation data" in told.value.detail
    else:
        assert resume_check.compare(*states) == []
    assert resume_check.updated(*states).valid == now


def test_ranks_that_validate_on_other_rows_are_refused() -> None:
    class Second(Ranks):
        """Is told what the first rank has."""

        def tell(self, text: bytes) -> bytes:
            return text.replace(b'"b"', b'"a"')

    now = TrainingState(data="x", valid="b", model="m")
    with pytest.raises(FarenseError, match="do not train on the same") as told:
        handover.hand_over(Second(1, 2), None, now)
    assert told.value.detail == "the validation data on this rank is not what it is on rank 0"
