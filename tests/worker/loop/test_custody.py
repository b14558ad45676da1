"""What becomes of a run whose folder, lock or record somebody tampers with while it trains."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlx.core as mx
import pytest
from farense_worker.loop import checkpoint, saving
from farense_worker.loop.checkpoint import TrainingState
from farense_worker.loop.custody import Custody
from farense_worker.loop.lifecycle import failed
from farense_worker.process.output import Output
from farense_worker.protocol import plain_file, run_folder
from farense_worker.protocol.checkpoint_files import CheckpointFolder
from farense_worker.protocol.errors import ExitCode, refused
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.ranks import lead

from farense_tui.engine.runs import supervisor
from tests import holding
from tests.real_runs import ENDLESS, RunMaker, state_of, until_state
from tests.worker import faults


def _delete(folder: RunFolder) -> RunFolder:
    aside = folder.path.with_name("doomed")  # in one moment, as the worker writes into it
    folder.path.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)
    return folder


def _move(folder: RunFolder) -> RunFolder:
    return RunFolder(folder.path.rename(folder.path.with_name("moved")))


def _unlock(folder: RunFolder) -> RunFolder:
    folder.lock_file.unlink()
    return folder


def _forget(folder: RunFolder) -> RunFolder:
    folder.events.unlink()
    return folder


@pytest.mark.parametrize(("tamper", "ranks"), [(_move, 1), (_unlock, 1), (_forget, 1), (_move, 2)])
def test_a_worker_ends_with_all_saved(
    make_run: RunMaker, tamper: Callable[[RunFolder], RunFolder], ranks: int
) -> None:
    worker = supervisor.launch(make_run(ranks=ranks, **ENDLESS, checkpoint__every=10_000))
    until_state(worker, lambda state: state.step >= 2)
    now = tamper(worker.folder)
    assert worker.wait() == ExitCode.FAILED
    state = state_of(now)
    assert state.failure is not None
    assert state.failure.kind == "run_lost"
    assert now.resume_step() == state.failure.step >= 2
    assert not now.is_alive()


def test_a_worker_whose_folder_is_deleted_does_not_train_on(make_run: RunMaker) -> None:
    worker = supervisor.launch(make_run(**ENDLESS))
    until_state(worker, lambda state: state.step >= 2)
    _delete(worker.folder)
    assert worker.wait() == ExitCode.FAILED
    assert not worker.folder.path.exists()


EARLY = '"name":"tokenizing"'


@pytest.mark.parametrize(
    ("tamper", "ranks"), [(_move, 1), (_unlock, 1), (_forget, 1), (_unlock, 2)]
)
def test_a_worker_that_has_not_begun_to_train_ends_too(
    make_run: RunMaker, tamper: Callable[[RunFolder], RunFolder], ranks: int
) -> None:
    """Until then nothing was watched, and what was there by then was taken for its own."""
    worker = holding.launch(make_run(ranks=ranks, **ENDLESS), EARLY)
    now = tamper(worker.folder)
    assert worker.wait() == ExitCode.FAILED  # though it is held, and nobody has asked it to go on
    state = state_of(now)
    assert state.failure is not None
    assert state.failure.kind == "run_lost"
    assert state.started is None


def test_a_worker_whose_folder_is_deleted_does_not_begin_to_train(make_run: RunMaker) -> None:
    worker = holding.launch(make_run(**ENDLESS, train__rollbacks=0), EARLY)
    with worker.folder.events.open("rb") as record:
        _delete(worker.folder)
        assert worker.wait() == ExitCode.FAILED
        assert b'"run_lost"' in record.read()
    assert not worker.folder.path.exists()


def test_a_worker_that_has_not_begun_to_train_touches_nothing_of_another(
    make_run: RunMaker,
) -> None:
    """Both trained into one folder, and took away each other's half-written checkpoints."""
    worker = holding.launch(make_run(**ENDLESS), EARLY)
    folder = worker.folder
    folder.lock_file.unlink()
    second = folder.acquire()
    run_folder.write_pid(second, os.getpid())
    half = folder.path / ".checkpoint_epoch0_step1.tmp"
    half.mkdir()
    worker.process.send_signal(signal.SIGCONT)  # it goes on at once
    assert worker.wait() == ExitCode.FAILED
    assert half.is_dir()
    state = state_of(folder)
    assert (state.started, state.failure, state.checkpoints) == (None, None, ())
    assert "lock was moved, deleted or replaced" in folder.log.read_text(encoding="utf-8")
    os.close(second)


@pytest.mark.parametrize("replaced", ["lock", "events.jsonl"])
def test_what_is_replaced_before_it_is_looked_at_is_not_its_own(
    folder: RunFolder, replaced: str
) -> None:
    lock, record = folder.acquire(), plain_file.to_append(folder.events)
    assert Custody(folder, lock, record).lost() is None
    (folder.path / "other").touch()
    (folder.path / "other").rename(folder.path / replaced)
    assert Custody(folder, lock, record).lost() is not None
    os.close(lock)
    os.close(record)


def _run(folder: RunFolder) -> Any:
    """What of a run is needed to save it after its third step."""
    output = Output(os.open(folder.events, os.O_WRONLY), folder.events)
    return SimpleNamespace(
        folder=folder,
        custody=Custody(folder),
        output=output,
        ranks=SimpleNamespace(first=True),
        control=SimpleNamespace(saved=lambda: None, asked=SimpleNamespace(stop=True)),
        config=SimpleNamespace(checkpoint=SimpleNamespace(keep=1)),
        model=SimpleNamespace(trainable_parameters=lambda: {"w": mx.ones(2)}),
        optimizer=SimpleNamespace(state={"step": mx.array(1)}),
        state=TrainingState(data="", model="", step=3),
        adapter_config={},
        budget=1,
        planned=1,
        worked=lambda: 0.0,
    )


def test_a_folder_that_moves_while_it_is_saved_into_has_the_checkpoint(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was told as a disk that cannot be written to, and nothing was saved."""
    run = _run(folder)
    save, tried = checkpoint.save, []

    def moved_once(*args: Any) -> tuple[Path, int]:
        tried.append(args[0].path)
        if len(tried) == 1:
            _move(folder)
        return save(*args)

    monkeypatch.setattr(checkpoint, "save", moved_once)
    saving.save(run, improved=False)
    moved = folder.path.with_name("moved")
    assert tried == [folder.path, moved]
    assert RunFolder(moved).resume_step() == 3


def test_a_checkpoint_that_cannot_be_deleted_ends_no_training(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (1, 2):
        faults.state(folder, step, 1.0)
    remove = CheckpointFolder.remove

    def failing(checkpoint: CheckpointFolder) -> None:
        if checkpoint.step == 1:
            raise OSError(errno.EIO, "Input/output error", str(checkpoint.path))
        remove(checkpoint)

    with monkeypatch.context() as patched:
        patched.setattr(CheckpointFolder, "remove", failing)
        saving.save(_run(folder), improved=False)
    (told,) = [each for each in state_of(folder).notices if each.code == "checkpoint_kept"]
    assert told.message.endswith("checkpoint_epoch0_step1: Input/output error")
    assert [each.step for each in folder.checkpoints()] == [1, 3]
    saving.save(_run(folder), improved=False)
    assert [each.step for each in folder.checkpoints()] == [3]


def test_no_sound_checkpoint_goes_for_a_damaged_one_of_a_later_step(folder: RunFolder) -> None:
    """The one that had just been saved went: a kill before that step came again lost the run."""
    for step in (2, 5):
        faults.state(folder, step, 1.0)
    later = folder.checkpoints()[-1].path
    (later / "adapters.safetensors").write_bytes(b"torn")
    saving.save(_run(folder), improved=False)  # after step 3; one is kept
    assert [each.step for each in folder.checkpoints()] == [3, 5]
    loaded, damaged = checkpoint.newest(folder)
    assert loaded is not None
    assert loaded.state.step == 3
    assert len(damaged) == 1


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "run")
    made.path.mkdir()
    made.events.touch()
    return made


def test_nothing_is_saved_over_what_another_worker_writes(folder: RunFolder) -> None:
    first = folder.acquire()
    custody = Custody(folder)
    assert custody.lost() is None
    folder.lock_file.unlink()
    second = folder.acquire()
    with custody.home() as home:
        assert home is None
    os.close(second)
    with custody.home() as home:
        assert home == folder
        assert folder.is_alive()
    assert not folder.is_alive()
    os.close(first)


def test_nothing_is_written_after_another_worker_that_has_come_to_its_end(
    folder: RunFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its newest checkpoint was written over, and a run that was complete was told as failed."""
    first = folder.acquire()
    run_folder.write_pid(first, os.getpid())
    run = _run(folder)
    shutil.copy(folder.lock_file, aside := folder.path / "aside")
    folder.lock_file.unlink()
    aside.rename(folder.lock_file)  # the first one's, all the same
    assert not run.custody.is_taken_over()
    second = folder.acquire()
    run_folder.write_pid(second, os.getppid())
    os.close(second)
    saving.save(run, improved=False)
    before = folder.events.read_bytes()
    why = run.custody.lost()
    assert why
    assert run.custody.told_by(run.output, why) is why
    run.output.emit(failed(why, 3))
    assert folder.events.read_bytes() == before
    assert str(why) in capfd.readouterr().err
    assert folder.checkpoints() == []
    os.close(first)


def test_the_end_of_all_ranks_is_told_whatever_the_machine_is_called_by_then(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """macOS takes its name from the network. Of another worker's lock nothing is written."""
    held = folder.acquire()
    run_folder.write_pid(held, os.getpid())
    custody, own = Custody(folder, held), folder.lock_file.read_bytes()
    run_folder.write_pid(held, os.getppid())
    before = folder.events.read_bytes()
    lead.tell(custody, refused("a rank has failed"))
    assert folder.events.read_bytes() == before
    folder.lock_file.write_bytes(own)
    monkeypatch.setattr(socket, "gethostname", lambda: "other.lan")
    lead.tell(custody, refused("a rank has failed"))
    assert b'"run_failed"' in folder.events.read_bytes().removeprefix(before)
    os.close(held)


def test_a_folder_that_moved_and_left_a_link_is_still_its_own(folder: RunFolder) -> None:
    custody = Custody(folder)
    moved = folder.path.rename(folder.path.with_name("moved"))
    folder.path.symlink_to(moved)
    assert custody.lost() is None
    folder.path.unlink()
    folder.path.mkdir()
    assert custody.lost() is not None
    assert custody.whereabouts() == moved
