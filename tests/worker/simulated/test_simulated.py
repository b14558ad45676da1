"""The worker's stand-in: real processes that speak the protocol and train nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.processes.programs import temporary_folder
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import replace_setting
from farense_worker.protocol.settings.profile_file import dumps
from farense_worker.protocol.simulation import SCENARIOS
from farense_worker.simulated.scenarios import SCRIPTS

from farense_tui.engine.record.state import RunState
from farense_tui.engine.runs import played as simulation
from farense_tui.engine.runs import supervisor
from farense_tui.engine.runs.supervisor import Control, Worker
from tests import holding
from tests.real_runs import state_of, until_state

FAST = 3000.0
Play = Callable[..., Worker]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """Start the simulated worker on a scenario, or on a run folder once more.

    after: the step at which it is held until it is asked for something.
    """
    started: list[Worker] = []

    def play_(scenario: str, speed: float = FAST, again: bool = False, after: int = 0) -> Worker:
        if again:
            run = started[-1].folder
        else:
            run = simulation.prepare_scenario(scenario, speed, tmp_path)
        worker = holding.launch(run, after) if after else supervisor.launch(run)
        started.append(worker)
        return worker

    yield play_
    for worker in started:
        worker.process.kill()
        worker.wait()


def events(worker: Worker) -> list[dict[str, object]]:
    return [json.loads(line) for line in worker.folder.events.read_text().splitlines()]


def test_every_scenario_has_a_script() -> None:
    assert SCRIPTS.keys() == SCENARIOS.keys()


def test_it_needs_no_mlx() -> None:
    code = "import sys; from farense_worker.simulated import scenarios, replay; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"mlx", "mlx_lm", "textual", "numpy"} & set(done.stdout.split())


def test_a_run_goes_to_its_end_and_is_the_same_each_time(play: Play, tmp_path: Path) -> None:
    worker = play("ok")
    assert worker.wait() == ExitCode.DONE
    state = state_of(worker.folder)
    assert (state.status, state.step, state.last_seq) == ("completed", 600, len(events(worker)))
    assert [event["seq"] for event in events(worker)] == list(range(1, state.last_seq + 1))
    other = supervisor.launch(simulation.prepare_scenario("ok", 2 * FAST, tmp_path / "other"))
    assert other.wait() == ExitCode.DONE
    again = state_of(other.folder)
    assert list(again.loss) == list(state.loss)
    assert again.elapsed == pytest.approx(state.elapsed, abs=1e-3)  # played, not real seconds


def test_it_stops_saves_and_goes_on_where_it_was(play: Play) -> None:
    worker = play("ok", after=7)
    assert supervisor.send(worker.folder, Control.STOP)
    assert worker.wait() == ExitCode.STOPPED
    stopped = state_of(worker.folder)
    assert stopped.status == "stopped"
    assert worker.folder.resume_step() == stopped.step
    worker = play("ok", again=True)
    assert worker.wait() == ExitCode.DONE
    state = state_of(worker.folder)
    assert state.segments[1].resumed_from_step == stopped.step
    assert [event["seq"] for event in events(worker)] == list(range(1, len(events(worker)) + 1))


def test_before_the_first_step_it_stops_at_once(play: Play) -> None:
    worker = play("stall-load", 1.0)
    until_state(worker, lambda state: state.phase == "loading_model")
    supervisor.send(worker.folder, Control.STOP)
    assert worker.wait() == ExitCode.STOPPED
    assert events(worker)[-1]["type"] == "run_stopped"


def test_it_pauses_saves_meanwhile_and_goes_on(play: Play) -> None:
    worker = play("ok", after=1)
    supervisor.send(worker.folder, Control.PAUSE)
    step = until_state(worker, lambda state: state.phase == "paused").step
    supervisor.send(worker.folder, Control.CHECKPOINT)
    until_state(worker, lambda state: bool(state.checkpoints))
    assert worker.folder.resume_step() == step
    supervisor.send(worker.folder, Control.CONTINUE)
    until_state(worker, lambda state: state.step > step)


def test_it_writes_its_stacks(play: Play) -> None:
    worker = play("stall-step")
    until_state(worker, lambda state: state.step == 80)
    supervisor.send(worker.folder, Control.STACKS)
    while "most recent call first" not in worker.folder.log.read_text():
        assert worker.poll() is None


def test_a_deaf_one_has_to_be_killed(play: Play) -> None:
    worker = play("deaf", 10.0)
    step = until_state(worker, lambda state: state.step > 0).step
    supervisor.send(worker.folder, Control.STOP)
    until_state(worker, lambda state: state.step > step + 20)
    supervisor.kill(worker.folder)
    assert worker.wait() == -9


@pytest.mark.parametrize(
    ("scenario", "code"), [("oom", 1), ("nan", 1), ("watchdog", 1), ("oom-kill", -9), ("crash", -6)]
)
def test_it_ends_as_a_worker_that_fails(play: Play, scenario: str, code: int) -> None:
    worker = play(scenario)
    assert worker.wait() == code
    assert (state_of(worker.folder).failure is not None) == (code == 1)
    assert bool(worker.folder.log.read_text()) == (code != -9)


def test_a_changed_setting_cures(play: Play) -> None:
    worker = play("oom")
    assert worker.wait() == ExitCode.FAILED
    config = replace_setting(worker.folder.read_config(), "train.batch_size", 2)
    worker.folder.config.write_text(dumps(replace_setting(config, "train.grad_accumulation", 4)))
    worker = play("oom", again=True)
    assert worker.wait() == ExitCode.DONE


@pytest.mark.parametrize("scenario", ["ok", "stall-step", "frozen"])
def test_it_ends_with_its_owner_and_takes_its_folder_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scenario: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = temporary_folder()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as owner:
        worker = supervisor.launch(simulation.prepare_scenario(scenario, 5.0, folder, owner.pid))
        until_state(worker, lambda state: state.phase != "")
        owner.kill()
        owner.wait()
        assert worker.wait() == ExitCode.STOPPED
    assert not folder.exists()


def test_a_folder_that_is_not_temporary_stays_whatever_owner_a_file_names(tmp_path: Path) -> None:
    """A run from somebody else may lie among the user's own."""
    mine = tmp_path / "mine" / "config.toml"
    mine.parent.mkdir()
    mine.write_text("")
    worker = supervisor.launch(simulation.prepare_scenario("ok", 1e6, tmp_path, 1 << 30))
    assert worker.wait() == ExitCode.DONE
    assert mine.exists()


# ---- replay -----------------------------------------------------------------------------------


def record(path: Path, *times: float) -> Path:
    """A record with a step at each time; the third is a new worker's first event."""
    lines = []
    for number, at in enumerate(times, 1):
        event: dict[str, object] = {"type": "unheard_of", "time": at, "seq": number, "own": 0.1}
        if number == 3:
            event = {"type": "phase", "time": at, "seq": number, "name": "starting"}
        if number == 1:
            event = {"type": "phase", "time": at, "seq": number, "name": "training"}
        lines.append(json.dumps(event))
    path.write_text("\n".join(lines) + '\n{"torn\n')
    return path


def replayed(path: Path, speed: float, folder: Path) -> tuple[Worker, list[dict[str, object]]]:
    worker = supervisor.launch(simulation.prepare_replay(path, speed, folder))
    assert worker.wait() == ExitCode.DONE
    notice, *rest = events(worker)
    assert notice["code"] == "replay"
    return worker, rest


def test_a_record_is_played_event_by_event_without_the_hours_between_two_workers(
    tmp_path: Path,
) -> None:
    path = record(tmp_path / "events.jsonl", 1000.0, 1001.5, 90000.0, 90002.25)
    _, played = replayed(path, 100.0, tmp_path / "runs")
    assert [event["time"] for event in played] == [1000.0, 1001.5, 1001.5, 1003.75]
    assert played[1]["own"] == 0.1
    assert [event["seq"] for event in played] == [1, 2, 3, 4]


def test_a_replay_comes_to_the_same_state(play: Play, tmp_path: Path) -> None:
    worker = play("overfit")
    worker.wait()
    _, _ = replayed(worker.folder.path, 1e5, tmp_path / "runs")
    original = state_of(worker.folder)
    copy = state_of(RunFolder(tmp_path / "runs" / "replay-demo-overfit-x100000"))
    assert isinstance(copy, RunState)
    assert list(copy.loss) == list(original.loss)
    assert copy.status == original.status == "completed"


def test_what_cannot_be_played_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "events.jsonl"
    empty.touch()
    for make in (
        lambda: simulation.prepare_replay(empty, 1.0, tmp_path / "runs"),
        lambda: simulation.prepare_replay(tmp_path / "missing", 1.0, tmp_path / "runs"),
        lambda: simulation.prepare_scenario("nonsense", 1.0, tmp_path / "runs"),
        lambda: simulation.prepare_scenario("ok", 0.0, tmp_path / "runs"),
        lambda: simulation.prepare_scenario("ok", float("nan"), tmp_path / "runs"),
    ):
        with pytest.raises(FarenseError):
            make()
    assert not (tmp_path / "runs").exists()


def test_a_play_that_may_not_write_is_told_in_a_sentence(tmp_path: Path) -> None:
    """At the limit of `ulimit -f` it ended in a traceback, in a log."""
    run = simulation.prepare_scenario("ok", FAST, tmp_path)
    command = [sys.executable, "-m", "farense_worker.simulated", str(run.path)]
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *command], capture_output=True, text=True
    )
    assert done.returncode == ExitCode.REFUSED
    assert "ulimit -f" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_replay_on_a_full_disk_is_told_in_a_sentence(tmp_path: Path) -> None:
    whole = tmp_path / "whole.jsonl"
    whole.write_text(json.dumps({"type": "phase", "name": "training", "time": 1.0}) + "\n")
    run = simulation.prepare_replay(whole, FAST, tmp_path)
    command = [sys.executable, "-m", "farense_worker.simulated", str(run.path)]
    with open("/dev/full", "wb") as record:
        done = subprocess.run(command, stdout=record, stderr=subprocess.PIPE, text=True)
    assert done.returncode == ExitCode.REFUSED
    assert done.stderr.startswith("no space on the disk\n")
