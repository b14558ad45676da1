"""What the screen costs: opening, CPU and memory, latency, and what it takes from the training.

    python benchmarks/screen/screen.py [PART ...] [--pairs 7] [--seconds 10]

opening: a record of 10^3 to 10^6 steps is read, without and with the note of an earlier opening.
rates: the app in a pseudo-terminal of 120x36 follows a record that grows by 1, 10 and 1,000 steps a
second, and one that has a million; its CPU time, its memory, and the time from a key to the frame
that answers it. listing: 300 finished runs are listed, and nothing happens to them. burst: 5,000
steps within a second; when the last of them is on the screen.
training: the same run of some hundred steps with the app attached and without, in pairs. Timings on
a machine that does other things as well are noisy: the ratios of pairs are what counts.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from multiprocessing import Process
from pathlib import Path

import pexpect
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from farense_worker.protocol.messages.events import encode
from farense_worker.protocol.run_folder import RunFolder

from benchmarks.common import reference_machine, write_data
from farense_tui.engine.record.record import Record
from tests import micro_model
from tests.real_runs import RunMaker, finish
from tests.ui.recorded import Recording

MIB = 1 << 20
PARTS = ("opening", "rates", "listing", "burst", "training")


def main() -> None:
    """Measure what is asked for, by default everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=10.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for part in args.parts or PARTS:
            (Path(name) / part).mkdir()
            globals()[part](Path(name) / part, args)
    print(f"{reference_machine()}, load {os.getloadavg()[0]:.1f}")


def opening(place: Path, args: argparse.Namespace) -> None:
    """Time from nothing to the whole state, in a process of its own."""
    for exponent in range(3, 7):
        steps = 10**exponent
        folder = record(place, f"run-{exponent}", steps).folder
        megabytes = folder.events.stat().st_size / 1e6
        for which in ("first", "again"):
            times = [in_a_process(folder, forget=which == "first") for _ in range(3)]
            seconds, busy = [each[0] for each in times], [each[1] for each in times]
            work = statistics.median(busy)
            print(
                f"opening {steps:>9,} steps, {megabytes:6.1f} MB, {which:5}: "
                f"median {statistics.median(seconds):6.3f} s "
                f"({min(seconds):.3f} to {max(seconds):.3f}), processor {work:.3f} s, "
                f"peak {times[-1][2] / MIB:.0f} MiB"
            )


def in_a_process(folder: RunFolder, *, forget: bool) -> tuple[float, float, int]:
    """Read a record; seconds, those on a processor, and the peak of memory in bytes."""
    if forget:
        folder.note.unlink(missing_ok=True)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from benchmarks.screen.screen import read_once;"
        "read_once(sys.argv[2])"
    )
    root = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-c", code, root, str(folder.path)]
    seconds, busy, peak = subprocess.run(command, capture_output=True, check=True).stdout.split()
    return float(seconds), float(busy), int(peak)


def read_once(path: str) -> None:
    """Print how long it took, how long on a processor, and the peak of memory."""
    began, worked = time.perf_counter(), time.process_time()
    Record(RunFolder(Path(path))).read(math.inf)
    seconds, busy = time.perf_counter() - began, time.process_time() - worked
    print(seconds, busy, peak_memory(resource.getrusage(resource.RUSAGE_SELF)))


def peak_memory(usage: resource.struct_rusage) -> int:
    """The most memory that a process had, in bytes; Linux counts KiB (getrusage(2))."""
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def rates(place: Path, args: argparse.Namespace) -> None:
    """CPU, memory and latency of the attached app."""
    for known, rate in ((100, 1), (100, 10), (100, 1000), (1_000_000, 1), (1_000_000, 10)):
        made = record(place, f"run-{known}-{rate}", known)
        with alive(made.folder), attached(made.folder, known) as app:
            while known > 100 and not made.folder.note.exists():  # it is still being read
                drained(app, 0.5)
            writer = Process(target=write, args=(made, rate, args.seconds + 15), daemon=True)
            writer.start()
            drained(app, 2.0)
            process = psutil.Process(app.pid)
            cpu = share_of_a_core(app, args.seconds)
            delays = sorted(latency(app) for _ in range(7))
            memory = process.memory_info().rss / MIB
            writer.terminate()
            writer.join()
        print(
            f"{known:>9,} steps, {rate:>5,} more a second: {cpu:5.1%} of a core, {memory:.0f} MiB,"
            f" key to frame median {statistics.median(delays) * 1000:.0f} ms"
            f" ({delays[0] * 1000:.0f} to {delays[-1] * 1000:.0f})"
        )


def listing(place: Path, args: argparse.Namespace) -> None:
    """CPU of the list of runs when nothing happens."""
    first = record(place, "run-000", 600).folder.path
    for number in range(1, 300):
        shutil.copytree(first, place / f"run-{number:03}")
    environment = {**os.environ, "TERM": "xterm-256color", "FARENSE_RUNS": str(place)}
    with program([], environment, "M1") as app:
        app.send("l")
        app.expect("run-0")
        drained(app, 6.0)
        cpu = share_of_a_core(app, args.seconds)
    print(f"300 finished runs listed: {cpu:5.2%} of a core")


def share_of_a_core(app: pexpect.spawn, seconds: float) -> float:
    """Processor time of the app over some seconds in which a terminal reads what it draws."""
    process = psutil.Process(app.pid)
    before, began = process.cpu_times(), time.perf_counter()
    drained(app, seconds)
    used, spent = process.cpu_times(), time.perf_counter() - began
    return (used.user + used.system - before.user - before.system) / spent


def burst(place: Path, args: argparse.Namespace) -> None:
    """Time from the last of 5,000 events, written within a second, to its figure on the screen."""
    late = []
    for number in range(args.pairs):
        made = record(place, f"run-{number}", 100)
        with alive(made.folder), attached(made.folder, 100) as app:
            lines = [encode(made.stamped(made.step_event(), 1e-4)) for _ in range(5000)]
            with made.folder.events.open("ab", buffering=0) as file:
                for at in range(0, 5000, 50):
                    file.write(b"".join(lines[at : at + 50]))
                    time.sleep(0.01)
            written = time.perf_counter()
            app.expect("5100")
            late.append(time.perf_counter() - written)
    print(
        f"burst of 5,000 steps in a second: the last is on the screen after median "
        f"{statistics.median(late):.2f} s ({min(late):.2f} to {max(late):.2f})"
    )


def training(place: Path, args: argparse.Namespace) -> None:
    """Tokens a second of the same run with the app attached and without."""
    model = micro_model.make(place / "model", layers=4, hidden=256, heads=4)
    make = RunMaker(place / "runs", model, write_data(place / "data"))
    ratios = []
    for number in range(args.pairs):
        speeds = {}
        for which in random.sample(["on", "off"], 2):
            folder = make(f"{which}-{number}", train__epochs=20, report__eval_every=1000)
            with watched(folder) if which == "on" else contextlib.nullcontext():
                state = finish(folder)
            speeds[which] = state.tokens / state.active_seconds
        ratios.append(speeds["on"] / speeds["off"])
        print(f"pair {number + 1}: {ratios[-1]:.3f}", flush=True)
    print(
        f"training with the screen / without: median {statistics.median(ratios):.3f} "
        f"({min(ratios):.3f} to {max(ratios):.3f}) over {args.pairs} pairs"
    )


def record(place: Path, name: str, steps: int) -> Recording:
    """A run that has trained `steps` steps, with heartbeats and validations in between."""
    made = Recording(place, name=name, total=10_000_000)
    made.start()
    lines: list[bytes] = []
    with made.folder.events.open("ab") as file:
        for step in range(1, steps + 1):
            lines.append(encode(made.stamped(made.step_event(), 0.1)))
            if step % 20 == 0:
                lines.append(encode(made.stamped(made.beat())))
            if step % 1000 == 0:
                file.write(b"".join(lines))
                lines.clear()
        file.write(b"".join(lines))
    return made


def write(made: Recording, rate: float, seconds: float) -> None:
    """Add steps at this rate, at most a hundred times a second."""
    at_once = max(1, round(rate / 100))
    with made.folder.events.open("ab", buffering=0) as file:
        for _ in range(int(seconds * rate / at_once)):
            made.time = time.time()
            file.write(b"".join(encode(made.stamped(made.step_event())) for _ in range(at_once)))
            time.sleep(at_once / rate)


@contextlib.contextmanager
def alive(folder: RunFolder) -> Iterator[None]:
    """Hold the lock, as a worker does."""
    lock = folder.acquire()
    try:
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def attached(folder: RunFolder, step: int | None) -> Iterator[pexpect.spawn]:
    """The app on a run, in a pseudo-terminal; it has shown `step`."""
    environment = {**os.environ, "TERM": "xterm-256color"}
    seen = f" {step} of" if step else "demo|on-|off-|reading"
    with program(["attach", str(folder.path)], environment, seen) as app:
        yield app


@contextlib.contextmanager
def program(words: list[str], environment: dict[str, str], seen: str) -> Iterator[pexpect.spawn]:
    """The app in a pseudo-terminal; it has shown `seen`."""
    command = ["-m", "farense_tui", *words]
    app = pexpect.spawn(sys.executable, command, dimensions=(36, 120), env=environment, timeout=60)
    app.expect(seen)
    drained(app, 1.0)
    try:
        yield app
    finally:
        app.kill(15)
        app.expect(pexpect.EOF)
        app.wait()


@contextlib.contextmanager
def watched(folder: RunFolder) -> Iterator[None]:
    """The app on a run, with somebody who reads what it draws, as a terminal does."""
    over = threading.Event()

    def read(app: pexpect.spawn) -> None:
        while not over.is_set():
            drained(app, 0.1)

    with attached(folder, None) as app:
        reader = threading.Thread(target=read, args=(app,))
        reader.start()
        try:
            yield
        finally:
            over.set()
            reader.join()


def drained(app: pexpect.spawn, seconds: float) -> None:
    """Read what the app draws, as a terminal does."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        with contextlib.suppress(pexpect.TIMEOUT):
            app.read_nonblocking(65536, timeout=0.05)


def latency(app: pexpect.spawn) -> float:
    """Seconds from a key to its answer: the help, which is opened and closed."""
    drained(app, 1.0)  # an escape that is read together with the next key is another key
    began = time.perf_counter()
    app.send("?")
    app.expect("Where it is")
    seconds = time.perf_counter() - began
    app.send("\x1b")
    return seconds


if __name__ == "__main__":
    main()
