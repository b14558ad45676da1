"""How long it takes until many runs are listed, and until a long record is open.

    python benchmarks/screen/opening.py [--runs 500] [--steps 1000000]

many: so many runs of 200 steps each are listed, for the first time and again, as the list does.
long: a record of so many steps: until its newest figures are there, until all is read, and again.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import tempfile
import time
from math import inf
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from farense_worker.protocol.messages.events import AnyEvent, RunStopped, encode
from farense_worker.protocol.run_folder import RunFolder

from benchmarks.common import reference_machine, write_data
from farense_tui.engine.runs.live_list import Listing
from farense_tui.engine.runs.watch import Watch
from tests import micro_model
from tests.events import started, step
from tests.real_runs import RunMaker


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--steps", type=int, default=1_000_000)
    args = parser.parse_args()
    print(reference_machine())
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        make = RunMaker(
            place / "runs", micro_model.make(place / "model"), write_data(place / "data")
        )
        first = make("run")
        write(first, 200)
        for number in range(1, args.runs):
            shutil.copytree(first.path, first.path.with_name(f"run-{number}"))
        many(place / "runs", args.runs)
        shutil.rmtree(place / "runs")
        folder = make("long")
        write(folder, args.steps)
        long(folder, args.steps)


def write(folder: RunFolder, steps: int) -> None:
    """Write the record of a run of so many steps."""
    with folder.events.open("wb") as file:
        number = 1

        def say(event: AnyEvent) -> None:
            nonlocal number
            file.write(encode(event))
            number += 1

        say(started(seq=1, time=1.0, total_steps=steps))
        for at in range(1, steps + 1):
            say(step(at, seq=at + 1, time=1.0 + at * 0.1))
        say(RunStopped(seq=steps + 2, time=2.0 + steps * 0.1, reason="completed", step=steps))


def many(runs: Path, number: int) -> None:
    """List them twice."""
    listing = Listing(runs)
    for word in ("first", "again"):
        began, spent = time.perf_counter(), time.process_time()
        assert sum(1 for _ in listing.summaries()) == number
        wall, cpu = time.perf_counter() - began, time.process_time() - spent
        print(f"{number} runs, {word}: {wall:.2f} s ({cpu:.2f} s of processor)")


def long(folder: RunFolder, steps: int) -> None:
    """Open it twice; the second time there is a note of the first."""
    size = folder.events.stat().st_size
    for word in ("first", "again"):
        began, spent = time.perf_counter(), time.process_time()
        watch = Watch(folder)
        seen = watch.look(time.time(), 0.05)
        newest = time.perf_counter() - began
        assert seen.state.step == steps
        watch.look(time.time(), inf)
        wall, cpu = time.perf_counter() - began, time.process_time() - spent
        print(
            f"{steps:,} steps ({size >> 20} MiB), {word}: newest figures after {newest:.2f} s, "
            f"all after {wall:.2f} s ({cpu:.2f} s of processor)"
        )
    unit = 1 if sys.platform == "darwin" else 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    print(f"{most >> 20} MiB at most")


if __name__ == "__main__":
    main()
