"""One rank and two ranks on this machine: the same curve, the time of a step, the end of a rank.

    python benchmarks/speed/ranks.py [--pairs 3] [--kills 5]

The demo's data and model in float32 without dropout are trained with an effective batch of 15,
which two ranks cannot share evenly, first on one rank, then on two, in turns. What is compared:
every loss of the two curves, and the median time of a step (of the runs' medians, the first two
steps left out). Then runs on two ranks lose rank 1 by SIGKILL: the time to the last event, and how
many processes are left a second after the lead's end. Two ranks on one machine share its cores, so
the times tell what several ranks cost, not what several machines gain.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from farense_worker.protocol.messages.events import Step
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import replace_setting

from benchmarks.common import reference_machine
from farense_tui.engine.profiles import catalogue
from farense_tui.engine.record.state import RunState
from farense_tui.engine.record.tail import Tail
from farense_tui.engine.runs import supervisor
from farense_tui.engine.runs.supervisor import Worker
from tests.real_runs import RunMaker, finish, state_of, until_state

SETTINGS = {
    "train.batch_size": 15,
    "train.epochs": 1,
    "report.eval_every": 1000,
    "report.questions": 0,
    "checkpoint.every": 1000,
}


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--kills", type=int, default=5)
    args = parser.parse_args()
    profile = catalogue.get(catalogue.DEMO)
    for name, value in SETTINGS.items():
        profile = replace_setting(profile, name, value)
    with tempfile.TemporaryDirectory() as name:
        make = RunMaker(Path(name), Path(), Path())
        seconds: dict[int, list[float]] = {1: [], 2: []}
        for pair in range(args.pairs):
            states = {}
            for ranks in (1, 2) if pair % 2 == 0 else (2, 1):
                folder = make.prepare(profile, f"{pair}-{ranks}", ranks)
                states[ranks] = finish(folder)
                seconds[ranks].append(step_seconds(folder))
            print(f"pair {pair + 1}: {apart(states[1], states[2])}")
        for ranks, values in seconds.items():
            rounded = ", ".join(f"{1000 * value:.1f}" for value in values)
            median = 1000 * statistics.median(values)
            print(f"{ranks} rank(s): median step {median:.1f} ms (of {rounded})")
        long = replace_setting(profile, "train.epochs", 100)
        ends = [kill(make.prepare(long, f"kill-{n}", 2), n) for n in range(args.kills)]
        for number, (told, left, title) in enumerate(ends, 1):
            print(f"kill {number}: last event after {told:.2f} s, {left} processes left: {title}")
    print(reference_machine())


def apart(one: RunState, two: RunState) -> str:
    """How far two curves are apart, in words."""
    losses = [(a, b) for (_, a), (_, b) in zip(one.loss, two.loss, strict=True)]
    absolute = max(abs(a - b) for a, b in losses)
    relative = max(abs(a - b) / a for a, b in losses)
    return (
        f"{len(losses)} steps, loss {losses[0][0]:.3f} to {losses[-1][0]:.3f}; curves at most "
        f"{absolute:.1e} apart ({relative:.1e} of the loss)"
    )


def step_seconds(folder: RunFolder) -> float:
    """Median time of a run's steps, in seconds."""
    steps = [e for e in Tail(folder.events).read_all() if isinstance(e, Step)]
    return statistics.median(step.seconds for step in steps[2:])


def kill(folder: RunFolder, steps: int) -> tuple[float, int, str]:
    """Kill rank 1 after so many steps: seconds to the last event, processes left, its title."""
    worker = supervisor.launch(folder)
    until_state(worker, lambda state: state.step > steps)
    (rank,) = [
        process
        for process in group(worker)
        if "farense_worker.ranks.rank" in process.cmdline() and process.environ()["MLX_RANK"] == "1"
    ]
    rank.kill()
    killed = time.time()
    worker.wait()
    time.sleep(1.0)
    failure = state_of(folder).failure
    assert failure is not None
    return failure.time - killed, len(group(worker)), failure.title


def group(worker: Worker) -> list[psutil.Process]:
    """The processes of a run that live."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == worker.process.pid:
                found.append(process)
        except OSError:
            continue
    return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]


if __name__ == "__main__":
    main()
