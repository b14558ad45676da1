"""The commands from beginning to end: real workers on the micro model."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from farense_worker.protocol import whole_folder
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.run_folder import RunFolder

from farense_tui import __main__
from farense_tui.cli import main
from farense_tui.cli.parser import build
from farense_tui.engine.runs import death, describe, folders, supervisor
from tests.cli.conftest import Start
from tests.real_runs import RunMaker, state_of

# A run that nobody waits for to end by itself.
LONG = ("--set", "train.epochs=10000", "--set", "checkpoint.every=1000000")
COMMANDS = [
    name
    for action in build()._actions
    if isinstance(action.choices, dict)
    for name in action.choices
]


@pytest.fixture(scope="module")
def args(micro: Path, data: Path) -> tuple[str, ...]:
    """Arguments of `train` for a short run: 2 steps an epoch, 3 epochs."""
    sets = ("report.questions=0", "train.epochs=3", "report.eval_every=4", "checkpoint.every=3")
    given = [part for each in sets for part in ("--set", each)]
    return ("train", "--profile", "demo", "--model", str(micro), "--data", str(data), *given)


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, args: tuple[str, ...]
) -> tuple[RunFolder, bytes]:
    """A run that `train --json` has made, and what it printed."""
    here = tmp_path_factory.mktemp("finished")
    done = subprocess.run(
        [sys.executable, "-m", "farense_tui", *args, "--json", "--name", "one"],
        cwd=here,
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    run = RunFolder(here / "checkpoints" / "one")
    assert run.report.is_file()  # nothing of it is still to be written
    assert whole_folder.is_free(run.path)
    return run, done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RunFolder]:
    """The run that the tests below start; whatever fails, no worker is left."""
    run = RunFolder((tmp_path / "checkpoints" / "run").resolve())
    yield run
    supervisor.kill(run)


def lines_until(process: subprocess.Popen[str], part: str) -> list[str]:
    """Read what a process prints until a line has this in it."""
    assert process.stdout is not None
    read: list[str] = []
    with patience(process):
        for line in process.stdout:
            read.append(line)
            if part in line:
                return read
    raise AssertionError(f"{part!r} did not come: {read}\n{rest(process)}")


def rest(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait for the end of a process; what it printed that was not read yet, and on stderr.

    Not `communicate`, which leaves out what has been read ahead.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    with patience(process):
        out, err = process.stdout.read(), process.stderr.read()
        process.wait()
    return out, err


@contextlib.contextmanager
def patience(process: subprocess.Popen[str], seconds: float = 180) -> Iterator[None]:
    """Kill a process that takes too long, so that a fault is a failure and no standstill."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def interrupt(process: subprocess.Popen[str]) -> None:
    """What a terminal does at Ctrl-C: the signal goes to the whole process group."""
    os.killpg(process.pid, signal.SIGINT)


# ---- train ------------------------------------------------------------------------------------


def test_with_json_stdout_is_the_record_to_the_byte(finished: tuple[RunFolder, bytes]) -> None:
    folder, printed = finished
    assert printed == folder.events.read_bytes()
    types = [json.loads(line)["type"] for line in printed.splitlines()]
    assert types[0] == "phase"
    assert types.count("step") == 6
    assert types[-1] == "run_stopped"


def test_train_tells_in_lines_what_it_does(
    tmp_path: Path, args: tuple[str, ...], start: Start
) -> None:
    process = start(*args)
    out, err = rest(process)
    assert (process.returncode, err) == (0, "")
    assert "run demo-1 on " in out  # the first free name
    assert "21 examples, 5 for validation, 6 steps" in out
    assert re.search(r"step 1/6  epoch 0\.50  loss \d\.\d{4}  lr ", out)
    assert re.search(r"step 6/6  epoch 3\.00  loss \d\.\d{4}  lr ", out)
    assert re.search(r"step      6  validation loss \d\.\d{4}  perplexity \S+  best so far", out)
    assert "completed at step 6\n" in out
    assert "\nadapter: checkpoints/demo-1/adapters\n" in out
    assert out.endswith("report: checkpoints/demo-1/report.html\n")
    assert not re.search(r"[^\n -~\w·—–→]", out)  # nothing that moves a cursor


def test_in_the_background(
    args: tuple[str, ...], start: Start, folder: RunFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    """Detached, listed, attached to, stopped, resumed to its end."""
    runs_dir = ("--runs-dir", str(folder.path.parent))
    process = start(*args, "--name", "run", "--detach", *LONG)
    out, err = rest(process)
    assert (process.returncode, err) == (0, "")
    assert "run goes on in the background: farense-tui attach run" in out
    try:
        assert folder.is_alive()
        assert main(["runs", "--json", *runs_dir]) == 0
        (listed,) = json.loads(capfd.readouterr().out)
        assert (listed["run"], listed["status"]) == ("run", "running")
        assert listed["path"] == str(folder.path)

        # without a terminal, attach follows in lines; Ctrl-C leaves the run alone
        attached = start("attach", "run")
        lines_until(attached, " epoch 5.00 ")
        interrupt(attached)
        rest(attached)
        assert attached.returncode == 0
        assert folder.is_alive()

        assert main(["stop", "run", *runs_dir]) == 0
        assert re.search(r"run: stopped by the user at step \d+", capfd.readouterr().out)
        assert not folder.is_alive()
        stopped_at = state_of(folder).step
        assert folder.resume_step() == stopped_at > 0

        process = start("resume", "run", "--json")
        shown = lines_until(process, '"type":"step"')
        events = [json.loads(line) for line in shown]
        assert events[0]["name"] == "starting"  # only what is new
        assert events[-1]["step"] == stopped_at + 1
        (started,) = [event for event in events if event["type"] == "run_started"]
        assert started["resumed_from_step"] == stopped_at
        assert main(["stop", "run", "--now", *runs_dir]) == 0
        assert "run: killed" in capfd.readouterr().out
        _, err = rest(process)
        assert process.returncode == 1
        assert "the worker was killed by SIGKILL" in err
        assert describe.summarise(folder).status == "killed"
    finally:
        supervisor.kill(folder)


# ---- signals ----------------------------------------------------------------------------------


def test_ctrl_c_stops_with_a_checkpoint(
    args: tuple[str, ...], start: Start, folder: RunFolder
) -> None:
    process = start(*args, "--name", "run", *LONG)
    lines_until(process, "epoch 0.")
    interrupt(process)
    out, err = rest(process)
    assert process.returncode == 130, err
    assert "once more kills" in out + err
    step = state_of(folder).step
    assert f"stopped by the user at step {step}" in out
    assert folder.checkpoints()[-1].step == step > 0
    assert (folder.adapters / "adapters.safetensors").is_file()
    assert describe.summarise(folder).status == "stopped"


def test_ctrl_c_with_json_leaves_stdout_to_the_events(
    args: tuple[str, ...], start: Start, folder: RunFolder
) -> None:
    process = start(*args, "--name", "run", "--json", *LONG)
    before = lines_until(process, '"type":"step"')
    interrupt(process)
    out, _ = rest(process)
    assert process.returncode == 130
    assert "".join(before) + out == folder.events.read_text(encoding="utf-8")


def test_a_second_ctrl_c_kills(start: Start, tmp_path: Path) -> None:
    process = start("demo", "deaf", "--speed", "10", "--runs-dir", str(tmp_path))
    lines_until(process, "epoch 0.")  # from a worker that heeds no request
    (folder,) = folders.folders(tmp_path)
    interrupt(process)
    assert process.stderr is not None
    assert "once more kills" in process.stderr.readline()
    interrupt(process)
    _, err = rest(process)
    assert process.returncode == 1
    assert "the worker was killed by SIGKILL" in err
    assert not folder.is_alive()
    assert describe.summarise(folder).status == "killed"


def test_a_closed_terminal_leaves_the_run_going(
    args: tuple[str, ...], start: Start, folder: RunFolder
) -> None:
    process = start(*args, "--name", "run", *LONG)
    lines_until(process, "epoch 0.")
    os.killpg(process.pid, signal.SIGHUP)
    rest(process)
    try:
        assert process.returncode == -signal.SIGHUP
        assert folder.is_alive()
        assert supervisor.send(folder, supervisor.Control.STOP)
        assert supervisor.wait_until_gone(folder, 180)
        assert state_of(folder).status == "stopped"
    finally:
        supervisor.kill(folder)


# ---- looking ----------------------------------------------------------------------------------


def test_attach_to_a_finished_run_tells_it_all(
    finished: tuple[RunFolder, bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    folder, _ = finished
    assert main(["attach", str(folder.path)]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert "run one on " in out
    assert "completed at step 6" in out


def test_runs_are_listed(
    finished: tuple[RunFolder, bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    folder, _ = finished
    runs_dir = ["--runs-dir", str(folder.path.parent)]
    assert main(["runs", "--json", *runs_dir]) == 0
    (listed,) = json.loads(capfd.readouterr().out)
    state = state_of(folder)
    assert state.best is not None
    assert state.last_step is not None
    assert listed == {
        "run": "one",
        "path": str(folder.path.resolve()),
        "status": "completed",
        "step": 6,
        "total_steps": 6,
        "loss": state.last_step.loss,
        "best_validation_loss": state.best.loss,
        "best_step": state.best.step,
        "last_time": state.last_time,
        "fault": None,
    }
    assert main(["runs", *runs_dir]) == 0
    assert re.search(r"^one +completed +step 6/6 ", capfd.readouterr().out)
    assert main(["runs", "--runs-dir", "/nowhere"]) == 0
    assert capfd.readouterr().out == "no runs in /nowhere\n"


def test_the_runs_folder_may_be_given_before_the_command_and_by_the_environment(
    finished: tuple[RunFolder, bytes],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = str(finished[0].path.parent)
    for arguments in (["--runs-dir", there, "runs"], ["runs", "--runs-dir", there]):
        assert main(arguments) == 0
        assert "one" in capfd.readouterr().out, arguments
    monkeypatch.setenv("FARENSE_RUNS", there)
    assert main(["runs"]) == 0
    assert "one" in capfd.readouterr().out


def test_a_complete_run_is_not_resumed(
    finished: tuple[RunFolder, bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    folder, printed = finished
    assert main(["resume", str(folder.path)]) == 3
    assert "run one is complete" in capfd.readouterr().err
    assert folder.events.read_bytes() == printed


def test_a_name_with_a_line_s_end_is_no_line_of_its_own(
    make_run: RunMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run("one")
    run.path.rename(run.path.with_name("a\nb  completed \x1b[2J"))
    assert main(["runs", "--runs-dir", str(run.path.parent)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("a b completed \ufffd[2J")


def test_profiles_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "broken.toml").write_text("[train]\nepochs = 0\n")
    assert main(["profiles", "--json"]) == 0
    listed = {each["name"]: each for each in json.loads(capfd.readouterr().out)}
    assert set(listed) == {"m1-8gb", "m1-16gb", "m1-32gb", "demo", "broken"}
    assert sum(each["fits"] for each in listed.values()) == 1
    assert listed["m1-8gb"]["profile"]["train"]["batch_size"] == 2
    assert listed["m1-8gb"]["fault"] is None
    assert listed["broken"]["profile"] is None
    assert "line 2: train.epochs" in listed["broken"]["fault"]
    assert main(["profiles"]) == 0
    out = capfd.readouterr().out
    assert re.search(r"^  broken +has faults: ", out, re.MULTILINE)
    assert len(re.findall(r"^\* ", out, re.MULTILINE)) == 2  # the one that fits, and what * means


def test_ask_prints_the_answer_of_the_base_model_and_of_the_adapter(
    finished: tuple[RunFolder, bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    folder, _ = finished
    runs_dir = ["--runs-dir", str(folder.path.parent)]
    assert main(["ask", "one", "Quem é o número 3?", "--max-tokens", "4", *runs_dir]) == 0
    out, err = capfd.readouterr()
    cut = r"(base model|one): cut off after 4 tokens; --max-tokens gives it more"
    assert all(re.fullmatch(cut, line) for line in err.splitlines())
    base, own = re.fullmatch(r"\[base model\] (.*)\n\[one\] (.*)\n", out, re.DOTALL).groups()  # type: ignore[union-attr]
    assert base != own


# ---- the parser -------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_explains_itself(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*([command] if command else []), "--help"])
    assert ended.value.code == 0
    out, err = capfd.readouterr()
    assert out.startswith(f"usage: farense-tui {command}".rstrip())
    assert err == ""


def test_without_a_terminal_the_app_is_not_opened(capfd: pytest.CaptureFixture[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "farense_tui"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "there is no terminal" in done.stderr


def test_a_reader_that_goes_away_is_no_traceback(finished: tuple[RunFolder, bytes]) -> None:
    folder, _ = finished
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m farense_tui attach "{folder.path}" | head -n 1'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_an_error_is_told_in_its_parts(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FarenseError):
        folders.find("x", Path("/nowhere"))
    assert main(["attach", "x", "--runs-dir", "/nowhere"]) == 3
    assert capfd.readouterr().err == (
        "farense-tui: there is no run x\n  in /nowhere\n  Runs: none yet.\n"
    )


def test_ctrl_c_while_modules_are_read_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        def __getattr__(self, name: str) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["farense-tui", "profiles"])
    monkeypatch.setitem(sys.modules, "farense_tui.cli", Slow())
    assert __main__.main() == 130


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "farense-tui: there is not enough memory\n"),
        (KeyError("x"), "farense-tui: farense-tui has a fault: KeyError\n"),
    ],
)
def test_what_nobody_has_foreseen_is_no_traceback(
    error: Exception,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fails() -> None:
        raise error

    monkeypatch.setattr("farense_tui.engine.profiles.catalogue.find", fails)
    assert main(["profiles"]) == 1
    assert capfd.readouterr().err.startswith(told)


def test_runs_that_cannot_be_listed_are_not_none(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A folder on a disk that fails was told to have no runs."""
    place = tmp_path / "runs"
    place.write_text("a file")
    for words in (["runs"], ["runs", "--json"], ["stop", "x"]):
        assert main([*words, "--runs-dir", str(place)]) == 3
        assert capfd.readouterr().err == f"farense-tui: cannot read {place}\n  Not a directory\n"


def test_attach_to_a_run_that_was_killed_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It ended with exit code 1 and without a word."""
    run = RunFolder(tmp_path / "x")
    run.path.mkdir()
    run.config.write_text('[run]\nname = "x"\n')
    words = ["attach", "x", "--runs-dir", str(tmp_path)]
    assert main(words) == 3
    assert capfd.readouterr().err.startswith("farense-tui: run x was not started\n")
    started = {"type": "phase", "name": "training", "time": time.time(), "seq": 1}
    run.events.write_text(json.dumps(started) + "\n")
    assert main(words) == 1
    told = capfd.readouterr().err
    run.path.rename(tmp_path / "y")
    assert death.explain(run, "killed").kind == "run_lost"
    assert told.startswith("farense-tui: the worker was killed: it ended without a last word\n")
    assert "farense-tui resume x" in told
