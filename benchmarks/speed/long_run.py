"""A long run beside its monitor: whether memory and descriptors stay as they are.

    python benchmarks/speed/long_run.py [--steps 1000000] [--speed 120] [PART ...]

steps: a real run of the smallest model by `farense-tui train`, the app attached to it in a
pseudo-terminal. records: only the record of such a run, as fast as it is read, followed by the app
and by `attach` without a terminal. day: the record of a day (two steps a second, heartbeats,
validations, samples, checkpoints), played faster and followed by the app. SIGINT or SIGTERM ends it
early: the growth is then that as far as it came.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import Process
from pathlib import Path

import pexpect
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from farense_worker.protocol.messages import events
from farense_worker.protocol.messages.events import encode
from farense_worker.protocol.run_folder import RunFolder

from benchmarks.common import reference_machine
from benchmarks.screen.screen import alive, attached, drained
from benchmarks.speed.growth import write_rows
from tests import micro_model
from tests.ui.recorded import PROMPT, Recording

PARTS = ("steps", "records", "day")
_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.995)
_QUARTER = 0.25  # from here on nothing should grow
_ROWS = 100
_DAY = 24 * 3600
_SETTLES = 5.0  # seconds in which what was written is read and drawn
_PAUSE = 0.06  # seconds between two thousand steps of a record, so that who reads it keeps up
_SMALL = {
    "train.batch_size": 1,
    "train.grad_accumulation": 1,
    "train.max_seq_length": 16,
    "train.optimizer": "sgd",
    "train.learning_rate": 1e-6,
    "train.rollbacks": 0,
    "train.shared_prefix": "off",
    "train.trunk_cache": "off",
    "lora.rank": 1,
    "lora.keys": "q_proj",
    "checkpoint.every": 10_000,
    "report.eval_every": 10_000,
    "report.questions": "0",
    "report.at_end": "false",
}


Taken = dict[str, tuple[float, int]]


def main() -> None:
    """Run what is asked for, by default all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART")
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--speed", type=int, default=120)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(reference_machine(), flush=True)
    with tempfile.TemporaryDirectory() as place:
        for part in args.parts or PARTS:
            given = args.speed if part == "day" else args.steps
            globals()[part](Path(place) / part, given)


def steps(place: Path, count: int) -> None:
    """Watch a real run of `count` steps."""
    place.mkdir()
    model = micro_model.make(place / "model", layers=1, hidden=8, heads=1)
    write_rows(place / "data", _ROWS, 13)
    settings = {**_SMALL, "train.epochs": count // _ROWS}
    command = [sys.executable, "-m", "farense_tui", "train", "--profile", "demo", "--json"]
    command += ["--model", str(model), "--data", str(place / "data"), "--name", "long"]
    command += ["--runs-dir", str(place), *(f"--set={key}={val}" for key, val in settings.items())]
    folder = RunFolder(place / "long")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as train:
        while not step_of(folder):
            time.sleep(0.1)
        app = in_a_terminal(["attach", str(folder.path)])
        worker = folder.pid()
        assert worker is not None
        watch(app, folder, {"worker": worker, "app": app.pid, "train": train.pid}, count)
        train.terminate()  # it was ended early; else it is over


def records(place: Path, count: int) -> None:
    """Watch what reads a record of `count` steps that somebody writes about as fast as it is read.

    Before each look the writer stops, and what it has written is read.
    """
    made = Recording(place, name="long", total=count)
    made.start()
    made.train(1000, eval_every=1000)
    words = ["attach", str(made.folder.path)]
    with alive(made.folder), attached(made.folder, 1000) as app:
        command = [sys.executable, "-m", "farense_tui", *words]
        lines = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        writer = Process(target=write, args=(made,), daemon=True)
        writer.start()
        pids = {"app": app.pid, "attach": lines.pid}
        watch(app, made.folder, pids, count, psutil.Process(writer.pid))
        writer.kill()
        lines.kill()
        lines.wait()


def write(made: Recording) -> None:
    """Write steps and what comes between them to the end, by the thousand."""
    with made.folder.events.open("ab", buffering=0) as file:
        while made.step < made.total:
            file.write(b"".join(encode(each) for each in a_thousand(made)))
            time.sleep(_PAUSE)


def a_thousand(made: Recording) -> Iterator[events.Event]:
    """Give a thousand steps, a heartbeat after every fourth, and what comes at the end of them."""
    for _step in range(1000):
        yield made.stamped(made.step_event(), 0.1)
        if made.step % 4 == 0:
            yield made.stamped(made.beat())
    at, told = made.step, f"after step {made.step} " * 20
    for event in (
        events.Validation(
            step=at, epoch=0.1, loss=1.0, perplexity=2.7, tokens=4000, seconds=2.0, best=False
        ),
        events.Sample(step=at, prompt=PROMPT, text=told),
        events.Checkpoint(step=at, path=f"step{at}", bytes=1 << 20, seconds=0.2, best=False),
        events.Notice(level="warning", code="test", message=told),
    ):
        yield made.stamped(event)


def day(place: Path, speed: int) -> None:
    """Let the app follow the record of a day, played `speed` times as fast."""
    made = Recording(place / "made", total=2 * _DAY)
    made.start()
    began = made.time
    made.train(made.total, eval_every=1800)
    lines = made.folder.events.read_bytes().count(b"\n")
    print(
        f"{lines:,} lines of {(made.time - began) / 3600:.1f} h, {speed} times as fast", flush=True
    )
    words = ["replay", "--runs-dir", str(place / "played"), "--speed", str(speed)]
    app = in_a_terminal([*words, str(made.folder.path)])
    while not (played := [*(place / "played").glob("*/events.jsonl")]):
        drained(app, 0.1)
    folder = RunFolder(played[0].parent)
    while not step_of(folder):
        drained(app, 0.1)
    player = folder.pid()
    assert player is not None
    watch(app, folder, {"player": player, "app": app.pid}, made.total)


def in_a_terminal(words: list[str]) -> pexpect.spawn:
    """The app in a pseudo-terminal."""
    environment = {**os.environ, "TERM": "xterm-256color"}
    command = ["-m", "farense_tui", *words]
    return pexpect.spawn(sys.executable, command, dimensions=(36, 120), env=environment)


def watch(
    app: pexpect.spawn,
    folder: RunFolder,
    pids: dict[str, int],
    total: int,
    writer: psutil.Process | None = None,
) -> None:
    """Print memory and descriptors at shares of the run, and their growth after its first quarter.

    Memory is what a process would give back by its end (psutil's USS). Ends the app.
    writer: is stopped for each look, and for the seconds before it.
    """
    began, early = time.time(), None

    def look() -> tuple[int, Taken]:
        step, found = step_of(folder), {name: _taken(pid) for name, pid in pids.items()}
        told = "; ".join(
            f"{name} {own:6.1f} MB, {files} open" for name, (own, files) in found.items()
        )
        print(f"  step {step:9,}, {time.time() - began:6.0f} s: {told}", flush=True)
        return step, found

    late = look()
    try:
        for share in _SHARES:
            while step_of(folder) < share * total:
                drained(app, 1.0)
            if writer:
                writer.suspend()
                drained(app, _SETTLES)
            late = look()
            if writer:
                writer.resume()
            early = late if share == _QUARTER else early
    except KeyboardInterrupt:
        late = look()
    except psutil.NoSuchProcess:
        print(f"  over at step {step_of(folder):,}")
    app.kill(signal.SIGTERM)
    app.expect(pexpect.EOF)
    if early and late[0] > early[0]:
        share = 1e5 / (late[0] - early[0])
        for name, (own, files) in late[1].items():
            megabytes, more = (own - early[1][name][0]) * share, (files - early[1][name][1]) * share
            print(f"  {name}: {megabytes:+.2f} MB, {more:+.2f} descriptors in 100,000 steps")


def _taken(pid: int) -> tuple[float, int]:
    """Megabytes that are a process's own, and its open descriptors."""
    process = psutil.Process(pid)
    return process.memory_full_info().uss / 1e6, process.num_fds()


def step_of(folder: RunFolder) -> int:
    """The newest step of a record; 0 where there is none yet."""
    if not folder.events.exists():
        return 0
    with folder.events.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
        found = [events.decode(line) for line in file.read().split(b"\n")[1:-1]]
    return max((each.step for each in found if isinstance(each, events.Step)), default=0)


if __name__ == "__main__":
    main()
