"""Real worker processes on a micro model: what a run does, and that resuming changes nothing."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from farense_worker.generate import decoding
from farense_worker.loop.memory import PATIENCE
from farense_worker.model import inference, tokenizer
from farense_worker.protocol import own_questions
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.messages.events import Step, number
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.record.tail import Tail
from farense_tui.engine.runs import describe, resuming, supervisor
from farense_tui.engine.runs.supervisor import Control
from tests import holding, micro_model
from tests.conftest import SYSTEM
from tests.real_runs import ENDLESS, RunMaker, finish, results, sha256, state_of, until_state

STEPS = 12  # 21 examples, 8 a step: 3 steps an epoch, 4 epochs

# Steps 1 to 6 of the run that `make_run` makes. They change only when the mathematics does.
GOLDEN = [
    5.836924314498901,
    4.818908929824829,
    3.853985071182251,
    3.3545498847961426,
    2.9123420417308807,
    2.621329188346863,
]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, micro: Path, data: Path) -> RunFolder:
    """The run that was not interrupted."""
    folder = RunMaker(tmp_path_factory.mktemp("reference"), micro, data)("reference")
    finish(folder)
    return folder


def test_a_run_from_beginning_to_end(reference: RunFolder) -> None:
    state = state_of(reference)
    assert state.status == "completed"
    assert state.started is not None
    assert state.total_steps == STEPS
    assert state.started.train_examples == 21
    assert [step for step, _ in state.loss] == list(range(1, STEPS + 1))
    # at the start, every 5 steps, and at the end
    assert [v.step for v in state.validations] == [0, 5, 10, 12]
    assert number(state.validations[-1].loss) < number(state.validations[0].loss)
    assert state.best is not None
    steps = [c.step for c in state.checkpoints]
    assert {4, 8, 12} <= set(steps)
    # the newest two and the best are kept
    kept = {c.step for c in reference.checkpoints()}
    assert kept == {*steps[-2:], state.best.step}


def test_a_short_run_validates_and_saves_on_its_way(make_run: RunMaker) -> None:
    rare = {"checkpoint__every": 200, "report__eval_every": 200, "checkpoint__keep": 9}
    run = make_run("often", **rare, checkpoint__at_least=4, report__eval_at_least=3)
    finish(run)
    state = state_of(run)
    assert [v.step for v in state.validations] == [0, 4, 8, 12]
    assert {3, 6, 9, 12} <= {c.step for c in state.checkpoints} <= {0, 3, 4, 6, 8, 9, 12}
    by_time = make_run("late", **rare, checkpoint__minutes=1e-9, checkpoint__at_least=0)
    finish(by_time)
    assert {c.step for c in state_of(by_time).checkpoints} >= set(range(1, STEPS + 1))
    assert results(by_time)["losses"] == results(run)["losses"]


def test_the_losses_are_what_they_were(reference: RunFolder) -> None:
    losses = [value for _, value in state_of(reference).loss]
    assert losses[:6] == pytest.approx(GOLDEN, rel=2e-4)


def test_the_record_counts_without_a_gap(reference: RunFolder) -> None:
    events = Tail(reference.events).read_all()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert all(a.time <= b.time for a, b in itertools.pairwise(events))


def test_every_example_is_trained_on_in_every_epoch(reference: RunFolder) -> None:
    events = [event for event in Tail(reference.events).read_all() if isinstance(event, Step)]
    epochs = [sum(e.tokens for e in events[i : i + 3]) for i in range(0, STEPS, 3)]
    assert len(set(epochs)) == 1  # each epoch has the tokens of the whole data set


def test_the_rate_warms_up_and_stays(reference: RunFolder) -> None:
    rates = [rate for _, rate in state_of(reference).learning_rate]
    assert rates == pytest.approx([1e-2 / 3, 2e-2 / 3] + [1e-2] * 10)


def test_the_best_adapter_is_what_mlx_lm_loads(reference: RunFolder, micro: Path) -> None:
    from mlx_lm import load

    state = state_of(reference)
    assert state.best is not None
    (best,) = [c for c in reference.checkpoints() if c.step == state.best.step]
    published = reference.adapters / "adapters.safetensors"
    assert sha256(published) == sha256(best.path / "adapters.safetensors")
    model, _ = load(str(micro), adapter_path=str(reference.adapters))
    plain, _ = load(str(micro))
    tokens = mx.array([[1, 2, 3]])
    assert not mx.allclose(model(tokens), plain(tokens))


@pytest.mark.parametrize("step", [1, 4, 6, 11])
def test_killed_and_resumed_equals_uninterrupted(
    make_run: RunMaker, reference: RunFolder, step: int
) -> None:
    folder = make_run()
    holding.kill_at(folder, step)
    assert describe.summarise(folder).status == "killed"
    assert finish(folder).status == "completed"
    assert results(folder) == results(reference)
    events = Tail(folder.events).read_all()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_stopped_and_resumed_equals_uninterrupted(make_run: RunMaker, reference: RunFolder) -> None:
    folder = make_run()
    assert holding.stop_at(folder, 2) == 130
    state = state_of(folder)
    assert (state.status, state.step) == ("stopped", 2)
    assert folder.resume_step() == state.step
    assert (folder.adapters / "adapters.safetensors").is_file()
    assert finish(folder).status == "completed"
    assert results(folder) == results(reference)


@pytest.mark.parametrize("phase", ["starting", "loading_model"])
def test_stopped_before_the_first_step(
    make_run: RunMaker, reference: RunFolder, phase: str
) -> None:
    folder = make_run()
    assert holding.stop_at(folder, f'"name":"{phase}"') == 130
    state = state_of(folder)
    assert (state.status, state.step) == ("stopped", 0)
    finish(folder)
    assert results(folder) == results(reference)


def test_pause_checkpoint_continue_and_stacks(make_run: RunMaker) -> None:
    folder = make_run(**ENDLESS)
    worker = supervisor.launch(folder)
    until_state(worker, lambda state: state.step >= 1)
    supervisor.send(folder, Control.PAUSE)
    paused = until_state(worker, lambda state: state.phase == "paused")
    supervisor.send(folder, Control.CHECKPOINT)
    saved = until_state(worker, lambda state: len(state.checkpoints) > len(paused.checkpoints))
    assert saved.checkpoints[-1].step == paused.step
    until_state(worker, lambda state: state.phase == "paused")
    supervisor.send(folder, Control.STACKS)
    until_state(worker, lambda _: "most recent call first" in folder.log.read_text())
    assert state_of(folder).step == paused.step
    supervisor.send(folder, Control.CONTINUE)
    until_state(worker, lambda state: state.step > paused.step)
    supervisor.kill(folder)
    assert worker.wait() == -9
    assert not folder.is_alive()


def test_a_run_has_one_worker(make_run: RunMaker) -> None:
    folder = make_run(**ENDLESS)
    worker = supervisor.launch(folder)
    with pytest.raises(FarenseError, match="already being trained"):
        supervisor.launch(folder)
    supervisor.kill(folder)
    worker.wait()


def test_a_damaged_checkpoint_is_passed_over(make_run: RunMaker, reference: RunFolder) -> None:
    folder = make_run()
    holding.kill_at(folder, 9)
    newest = folder.checkpoints()[-1].path / "adapters.safetensors"
    content = newest.read_bytes()
    newest.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    before = folder.checkpoints()[-2].step
    state = finish(folder)
    assert "checkpoint_damaged" in [notice.code for notice in state.notices]
    assert state.segments[-1].resumed_from_step == before
    assert results(folder) == results(reference)


def test_a_torn_line_is_closed_and_passed_over(make_run: RunMaker, reference: RunFolder) -> None:
    folder = make_run()
    holding.kill_at(folder, 5)
    with folder.events.open("ab") as file:
        file.write(b'{"type":"step","time":1')
    finish(folder)
    tail = Tail(folder.events)
    events = tail.read_all()
    assert tail.unreadable == 1
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert results(folder) == results(reference)


@pytest.mark.parametrize(("size", "accumulation"), [(8, 1), (1, 8)])
def test_how_a_step_is_cut_changes_nothing(
    make_run: RunMaker, size: int, accumulation: int
) -> None:
    settings: dict[str, Any] = {"lora__dropout": 0.0, "train__epochs": 2}
    cut = finish(
        make_run("cut", train__batch_size=size, train__grad_accumulation=accumulation, **settings)
    )
    two = finish(make_run("two", train__batch_size=2, train__grad_accumulation=4, **settings))
    assert [v for _, v in cut.loss] == pytest.approx([v for _, v in two.loss], rel=1e-5)
    assert [v for _, v in cut.grad_norm] == pytest.approx([v for _, v in two.grad_norm], rel=1e-4)


def test_a_4bit_model_trains(make_run: RunMaker, micro_4bit: Path) -> None:
    folder = make_run(model__repo=str(micro_4bit), train__epochs=2, train__grad_checkpoint=True)
    state = finish(folder)
    assert number(state.validations[-1].loss) < number(state.validations[0].loss)


def test_gradient_checkpointing_changes_nothing(make_run: RunMaker) -> None:
    settings: dict[str, Any] = {
        "train__epochs": 1,
        "report__prompts": ("Quem?",),
        "report__sample_tokens": 3,
    }
    with_it = finish(make_run("with", train__grad_checkpoint=True, **settings))
    without = finish(make_run("without", **settings))
    assert list(with_it.loss) == list(without.loss)
    assert [s.text for s in with_it.samples] == [s.text for s in without.samples]


def test_prompts_are_answered_under_the_system_prompt_of_the_rows(
    make_run: RunMaker, system_data: Path
) -> None:
    settings: dict[str, Any] = {
        "train__epochs": 1,
        "report__prompts": ("Quem?",),
        "report__sample_tokens": 8,
    }
    folder = make_run(data__path=str(system_data), **settings)
    last = finish(folder).samples[-1]
    settings_of = folder.read_config().model
    words = tokenizer.load(Path(settings_of.repo), settings_of)
    newest = str(folder.checkpoints()[-1].path)
    network = inference.load(Path(settings_of.repo), settings_of, "run", newest)
    assert last.text == decoding.answer(network, words, "Quem?", 8, SYSTEM)
    assert last.text != decoding.answer(network, words, "Quem?", 8)


def test_without_prompts_the_rows_own_questions_are_asked(make_run: RunMaker) -> None:
    folder = make_run(train__epochs=1, report__questions=1, report__sample_tokens=3)
    asked = own_questions.prompts(folder.read_config())
    assert len(asked) == 1
    assert {each.prompt for each in finish(folder).samples} == set(asked)


def test_a_loss_that_is_not_finite_never_reaches_the_weights(
    make_run: RunMaker, tmp_path: Path
) -> None:
    infinite = micro_model.make(tmp_path / "infinite", gain=1e38)
    folder = make_run(model__repo=str(infinite))
    assert supervisor.launch(folder).wait() == 1
    state = state_of(folder)
    assert state.failure is not None
    assert state.failure.kind == "not_finite"
    assert state.validations[0].loss is None
    assert state.step == 0
    assert [n.code for n in state.notices if n.level == "warning"].count("rollback") == 2
    rates = [n.message.split()[-5] for n in state.notices if n.code == "rollback"]
    assert rates == ["0.5", "0.25"]


def test_other_data_is_refused_on_resume(make_run: RunMaker, data: Path, tmp_path: Path) -> None:
    own = tmp_path / "data"
    own.mkdir()
    for name in ("train.jsonl", "valid.jsonl"):
        (own / name).write_bytes((data / name).read_bytes())
    folder = make_run(data__path=str(own))
    holding.kill_at(folder, '"type":"checkpoint"')
    (own / "train.jsonl").write_text((own / "train.jsonl").read_text().replace("ele", "ela"))
    assert supervisor.launch(folder).wait() == 3
    failure = state_of(folder).failure
    assert failure is not None
    assert failure.kind == "run_changed"
    assert "the training data, or how its rows are read, is not what it was" in failure.detail


@pytest.mark.skipif(shutil.which("g++") is None, reason="mx.compile needs a C++ compiler on a CPU")
def test_compiled_steps_are_the_eager_ones(make_run: RunMaker) -> None:
    settings: dict[str, Any] = {"train__epochs": 2, "train__grad_checkpoint": True}
    eager = finish(make_run("eager", train__compile="off", **settings))
    compiled = finish(make_run("compiled", train__compile="on", **settings))
    assert [v for _, v in compiled.loss] == pytest.approx([v for _, v in eager.loss], rel=1e-5)


def test_what_does_not_fit_goes_row_by_row_and_ends_with_all_saved(make_run: RunMaker) -> None:
    plain = make_run("plain", lora__dropout=0.0)
    short = make_run("short", lora__dropout=0.0, memory__limit_gb=0.02)
    finish(plain)
    assert supervisor.launch(short).wait() == 1
    state = state_of(short)
    assert state.failure is not None
    assert state.failure.kind == "memory_limit"
    # by the forecast not one row fits, so it goes one by one; then nothing is left to cut
    cutting = ("budget", "memory")
    assert [each.code for each in state.notices if each.code in cutting] == ["budget", "memory"]
    cut = next(event for event in Tail(short.events).read_all() if isinstance(event, Step))
    uncut = next(event for event in Tail(plain.events).read_all() if isinstance(event, Step))
    assert cut.micro_batches > uncut.micro_batches
    assert cut.loss == pytest.approx(uncut.loss, rel=1e-5)
    assert [checkpoint.step for checkpoint in short.checkpoints()][-1] == 1


def test_on_a_starving_machine_it_waits_cuts_finer_ends_and_goes_on(make_run: RunMaker) -> None:
    plain = make_run("plain", lora__dropout=0.0, train__epochs=6)
    starved = make_run("starved", lora__dropout=0.0, train__epochs=6, memory__keep_free_gb=1024.0)
    finish(plain)
    assert supervisor.launch(starved).wait() == 1
    state = state_of(starved)
    assert state.failure is not None
    assert "the machine ran out" in state.failure.title
    assert state.step == 3 * PATIENCE
    resuming.prepare_resume(starved, {"memory.keep_free_gb": 0.0})
    finish(starved)
    losses = [value for _, value in state_of(plain).loss]
    assert [value for _, value in state_of(starved).loss] == pytest.approx(losses, rel=1e-5)
    first = [e for e in Tail(plain.events).read_all() if isinstance(e, Step)]
    cut = [e for e in Tail(starved.events).read_all() if isinstance(e, Step)]
    resumed, uncut = cut[3 * PATIENCE], first[3 * PATIENCE]
    assert resumed.step == uncut.step == 3 * PATIENCE + 1
    assert resumed.micro_batches > uncut.micro_batches
