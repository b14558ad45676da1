"""From the command to the first step done: mlx_lm.lora, and this trainer's first and later starts.

    python benchmarks/speed/first_step.py [--rounds N] [--embedded | --layers N --trained K]

In every round, in turn: mlx_lm.lora; ours with nothing kept; ours with the tokens kept of an
earlier run; ours with its first validation kept too, as a second run on the same model and data
finds it. Both sides validate before the first step. Printed are the medians, their spread, the
ratios within the rounds, and when ours was through with what.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common import reference_machine
from benchmarks.speed import throughput
from farense_tui.engine.machine import blas

SIDES = ("mlx_lm", "nothing kept", "tokens kept", "all kept")
MARKS = ("phase", "run_started", "validation", "checkpoint", "step")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    args, rest = parser.parse_known_args()
    shape = throughput.arguments(rest)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        found = throughput.chosen(place, shape)
        model, data, _tokens = found
        print(f"{reference_machine()}, BLAS: {blas.find() or 'the wheel has its own'}")
        throughput.theirs(place / "warm", model, data, shape, steps=1)
        rounds = []
        for at in range(args.rounds):
            here = place / str(at)
            here.mkdir()
            them = throughput.theirs(here / "theirs", model, data, shape, steps=1)
            cache = here / "cache"
            marks = [_start(here / "nothing", model, data, shape, cache)]
            shutil.rmtree(cache / "baseline")
            marks.append(_start(here / "tokens", model, data, shape, cache))
            marks.append(_start(here / "all", model, data, shape, cache))
            rounds.append([them.first_step, *(each["step"] for each in marks)])
            _print_round(at, rounds[-1], marks)
        _print_medians(rounds)


def _start(
    place: Path, model: Path, data: Path, shape: argparse.Namespace, cache: Path
) -> dict[str, float]:
    """Start ours and stop it after its first step; seconds until each kind of event first came."""
    began = time.time()
    with subprocess.Popen(
        throughput.our_command(place, model, data, shape),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **blas.environment(), "FARENSE_CACHE": str(cache)},
    ) as process:
        seen: dict[str, float] = {}
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            seen.setdefault(event["type"], event["time"] - began)
            if event["type"] == "step":
                process.terminate()
        if "step" not in seen:
            sys.exit(f"ours ended with {process.wait()} before its first step")
    return seen


def _print_round(at: int, seconds: list[float], marks: list[dict[str, float]]) -> None:
    told = "  ".join(f"{name} {value:.2f} s" for name, value in zip(SIDES, seconds, strict=True))
    print(f"  round {at + 1}: {told}")
    for name, seen in zip(SIDES[1:], marks, strict=True):
        print(f"    {name:13}", "  ".join(f"{mark} {seen[mark]:.2f}" for mark in MARKS), flush=True)


def _print_medians(rounds: list[list[float]]) -> None:
    for at, name in enumerate(SIDES):
        values = [seconds[at] for seconds in rounds]
        ratios = [seconds[0] / seconds[at] for seconds in rounds]
        print(
            f"{name:13} {statistics.median(values):5.2f} s ({min(values):.2f} to {max(values):.2f})"
            f"  mlx_lm takes {statistics.median(ratios):.2f} times as long "
            f"({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
