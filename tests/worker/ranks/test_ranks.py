"""Runs of several ranks, as real processes: the curve, the repeat, and every way to end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.cli import main
from farense_tui.engine.record.tail import Tail
from farense_tui.engine.runs import describe, resuming, supervisor
from farense_tui.engine.runs.supervisor import Control, Worker
from tests import holding, micro_model
from tests.real_runs import ENDLESS, RunMaker, finish, results, state_of, until_state
from tests.waiting import until

STEPS = 12
LONG: dict[str, Any] = {**ENDLESS, "report__eval_every": 1000, "checkpoint__every": 1000}


@pytest.fixture(scope="module")
def twins(
    tmp_path_factory: pytest.TempPathFactory, micro: Path, data: Path
) -> tuple[RunFolder, RunFolder]:
    """The same run twice, on two ranks each, at once and uninterrupted."""
    make = RunMaker(tmp_path_factory.mktemp("twins"), micro, data)
    folders = make("one", ranks=2), make("other", ranks=2)
    workers = [supervisor.launch(folder) for folder in folders]
    for worker in workers:
        assert worker.wait() == 0, worker.folder.log.read_text()
    return folders


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory, micro: Path, data: Path) -> RunFolder:
    """A run without dropout on one rank."""
    folder = RunMaker(tmp_path_factory.mktemp("single"), micro, data)(lora__dropout=0.0)
    finish(folder)
    return folder


def processes(worker: Worker) -> list[psutil.Process]:
    """All processes of a run: the group that its worker leads."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):  # it may end at any moment
            own = os.getpgid(process.pid) == worker.process.pid
            if own and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def part(worker: Worker, module: str, rank: int | None = None) -> psutil.Process:
    """Give the process of a run that runs this module, for this rank."""
    found = []
    for process in processes(worker):
        with contextlib.suppress(psutil.Error):  # another one may end at any moment
            own = rank in (None, int(process.environ().get("MLX_RANK", "-1")))
            found += [process] if own and module in process.cmdline() else []
    (one,) = found
    return one


def wait_until_gone(worker: Worker, seconds: float = 60.0) -> None:
    """Wait for the end of all; whoever led the run may be gone before the others."""
    until(lambda: not processes(worker), seconds, found=lambda: processes(worker))


def test_two_ranks_repeat_bit_for_bit_and_runs_do_not_meet(
    twins: tuple[RunFolder, RunFolder],
) -> None:
    one, other = twins
    assert results(one) == results(other)
    state = state_of(one)
    assert state.started is not None
    assert state.started.ranks == 2
    assert [step for step, _ in state.loss] == list(range(1, STEPS + 1))
    assert [v.step for v in state.validations] == [0, 5, 10, 12]
    events = Tail(one.events).read_all()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


@pytest.mark.parametrize(
    ("ranks", "size", "accumulation", "valid"),
    [(2, 4, 2, 5), (2, 7, 1, 5), (3, 2, 2, 2)],  # the last windows have 5, 7 and 1 rows
)
def test_the_curve_is_that_of_one_rank(
    make_run: RunMaker,
    data: Path,
    tmp_path: Path,
    ranks: int,
    size: int,
    accumulation: int,
    valid: int,
) -> None:
    own = tmp_path / "data"
    own.mkdir()
    (own / "train.jsonl").write_bytes((data / "train.jsonl").read_bytes())
    rows = (data / "valid.jsonl").read_bytes().splitlines(keepends=True)
    (own / "valid.jsonl").write_bytes(b"".join(rows[:valid]))
    settings: dict[str, Any] = {
        "data__path": str(own),
        "lora__dropout": 0.0,
        "train__epochs": 1,
        "train__batch_size": size,
        "train__grad_accumulation": accumulation,
        "train__max_grad_norm": 1.0,
    }
    several = finish(make_run("several", ranks=ranks, **settings))
    one = finish(make_run("one", **settings))
    assert len(one.loss) == -(-21 // (size * accumulation))
    for a, b in ((several.loss, one.loss), (several.grad_norm, one.grad_norm)):
        assert [v for _, v in a] == pytest.approx([v for _, v in b], rel=1e-5)
    several_valid = [v.loss for v in several.validations]
    assert several_valid == pytest.approx([v.loss for v in one.validations], rel=1e-5)
    assert [v.tokens for v in several.validations] == [v.tokens for v in one.validations]
    assert several.tokens == one.tokens


def test_a_killed_rank_ends_the_run_and_resume_goes_on(
    make_run: RunMaker, twins: tuple[RunFolder, RunFolder]
) -> None:
    folder = make_run(ranks=2, report__prompts=("Quem?",), report__sample_tokens=2)
    worker = holding.launch(folder, 5)
    first = part(worker, "farense_worker.ranks.rank", 0)
    part(worker, "farense_worker.ranks.rank", 1).kill()
    with contextlib.suppress(psutil.NoSuchProcess):  # it may know already
        first.send_signal(signal.SIGCONT)
    assert worker.wait() == 1
    assert not processes(worker)
    failure = state_of(folder).failure
    assert failure is not None
    assert failure.kind == "rank"
    assert failure.title == "rank 1 was killed by SIGKILL"
    assert "peer" not in failure.detail
    finish(folder)
    assert results(folder) == results(twins[0])
    events = Tail(folder.events).read_all()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


@pytest.mark.parametrize(
    ("module", "rank", "title"),
    [
        ("farense_worker.ranks.rank", 0, "rank 0 was killed by SIGKILL"),
        ("farense_worker.ranks.guard", 1, "rank 1 was killed by SIGKILL"),
        ("farense_worker.ranks.mlx_launch", None, "mlx.launch ended with code -9"),
    ],
)
def test_whatever_is_killed_ends_the_run(
    make_run: RunMaker, module: str, rank: int | None, title: str
) -> None:
    folder = make_run(ranks=2, **LONG)
    worker = supervisor.launch(folder)
    until_state(worker, lambda state: state.step >= 1)
    part(worker, module, rank).kill()
    assert worker.wait() == 1
    assert not processes(worker)
    failure = state_of(folder).failure
    assert failure is not None
    assert failure.title == title


def test_pause_continue_and_no_orphan_without_the_lead(make_run: RunMaker) -> None:
    folder = make_run(ranks=2, **LONG)
    worker = supervisor.launch(folder)
    until_state(worker, lambda state: state.step >= 1)
    supervisor.send(folder, Control.PAUSE)
    paused = until_state(worker, lambda state: state.phase == "paused")
    supervisor.send(folder, Control.CHECKPOINT)
    saved = until_state(worker, lambda state: len(state.checkpoints) > len(paused.checkpoints))
    assert saved.step == paused.step
    supervisor.send(folder, Control.STACKS)
    supervisor.send(folder, Control.CONTINUE)
    until_state(worker, lambda state: state.step > paused.step)
    for rank in (0, 1):
        shown = re.compile(rf"rank {rank}\| (Current thread|Thread)")
        until_state(worker, lambda _, shown=shown: bool(shown.search(folder.log.read_text())))  # type: ignore[misc]
    worker.process.kill()
    assert worker.wait() == -9
    wait_until_gone(worker)
    assert supervisor.wait_until_gone(folder, 120)
    assert describe.summarise(folder).status == "killed"


def test_kill_leaves_nothing(make_run: RunMaker) -> None:
    folder = make_run(ranks=2, **LONG)
    worker = supervisor.launch(folder)
    until_state(worker, lambda state: bool(state.phase))
    assert supervisor.kill(folder)
    assert worker.wait() == -9
    wait_until_gone(worker)


def test_stopped_and_resumed_equals_uninterrupted(
    make_run: RunMaker, twins: tuple[RunFolder, RunFolder]
) -> None:
    folder = make_run(ranks=2)
    worker = holding.launch(folder, 2)
    assert supervisor.send(folder, Control.STOP)
    assert worker.wait() == 130
    assert not processes(worker)
    state = state_of(folder)
    assert (state.status, state.step) == ("stopped", 2)
    assert folder.resume_step() == state.step
    finish(folder)
    assert results(folder) == results(twins[0])


def test_stopped_before_the_first_step(make_run: RunMaker) -> None:
    folder = make_run(ranks=2)
    worker = holding.launch(folder, '"name":"starting"')
    assert supervisor.send(folder, Control.STOP)
    assert worker.wait() == 130
    assert not processes(worker)
    assert state_of(folder).status == "stopped"


def test_ranks_may_change_on_resume(make_run: RunMaker, single: RunFolder) -> None:
    folder = make_run(ranks=2, lora__dropout=0.0)
    assert holding.stop_at(folder, 2) == 130
    resuming.prepare_resume(folder, {"run.ranks": 1})
    assert holding.stop_at(folder, 7) == 130
    resuming.prepare_resume(folder, {"run.ranks": 2})
    state = finish(folder)
    losses = [value for _, value in state_of(single).loss]
    assert [value for _, value in state.loss] == pytest.approx(losses, rel=1e-4)
    assert [segment.ranks for segment in state.segments] == [2, 1, 2]


def test_bad_data_is_told_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    micro: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    row = {"messages": [{"role": "user", "content": "Quem?"}]}
    (tmp_path / "data/train.jsonl").write_text(json.dumps(row) + "\n")
    args = ["--model", str(micro), "--data", "data", "--ranks", "2"]
    assert main(["train", "--profile", "demo", *args]) == 3
    err = capfd.readouterr()[1]
    assert err.count("train.jsonl:1: there is no answer in this row to learn from") == 1
    assert "rank" not in err
    assert not (tmp_path / "checkpoints").exists()


def test_all_ranks_roll_back_together_and_one_tells(make_run: RunMaker, tmp_path: Path) -> None:
    infinite = micro_model.make(tmp_path / "infinite", gain=1e38)
    folder = make_run(ranks=2, model__repo=str(infinite))
    assert supervisor.launch(folder).wait() == 1
    state = state_of(folder)
    assert state.failure is not None
    assert state.failure.kind == "not_finite"
    assert "rank" not in state.failure.detail
    assert [n.code for n in state.notices].count("rollback") == 2


def test_a_rank_with_an_error_of_its_own_is_named(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Rank 1 fails as it would on a machine that lacks something."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "rank = 'farense_worker.ranks.rank' in sys.orig_argv\n"
        "if rank and os.environ.get('FARENSE_RANK') == '1':\n"
        "    sys.stderr.write('no such thing here\\n'); os._exit(7)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    folder = make_run(ranks=2)
    assert supervisor.launch(folder).wait() == 1
    failure = state_of(folder).failure
    assert failure is not None
    assert failure.title == "rank 1 ended with exit code 7"
    assert failure.detail == "no such thing here"
    assert f"resume {folder.name}" in failure.hint


def test_signals_are_the_right_ones() -> None:
    """The words to the ranks are those of the app's controls."""
    from farense_worker.ranks.reports import WORDS

    assert {word.upper(): number for word, number in WORDS.items()} == {
        control.name: signal.Signals(control.value) for control in Control
    }
