"""What the health rules cost against the length of a run.

    python benchmarks/screen/health_cost.py [--rounds 7]

Prints milliseconds for one application of all rules, after a thousand to a million steps: median of
the rounds, the least and the greatest, and the ratio to the shortest run. The rules are applied
once a second at the most.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from farense_worker.protocol.messages import events
from farense_worker.protocol.settings.profile import Config, Run

from farense_tui.engine import health
from farense_tui.engine.health import Facts
from farense_tui.engine.record.figures import reduce_figures
from farense_tui.engine.record.state import RunState, reduce
from tests.events import started, step

_BLOCK = 2000
_TIMES = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, metavar="N")
    rounds = parser.parse_args().rounds
    first = 0.0
    for steps in (1000, 10_000, 100_000, 1_000_000):
        facts = Facts(run(steps), Config(run=Run(name="x")), True, "running", steps / 2 + 4)
        times = [once(facts) * 1e3 for _ in range(rounds)]
        middle = statistics.median(times)
        first = first or middle
        print(
            f"{steps:>9} steps  {middle:6.2f} ms  ({min(times):.2f} to {max(times):.2f})"
            f"  {middle / first:5.2f} times the first"
        )


def run(steps: int) -> RunState:
    """A run that has done so many steps."""
    state = reduce(RunState(), events.Phase(name="starting", time=1.0))
    state = reduce(state, started(total_steps=steps, time=2.0))
    state = reduce(state, events.Phase(name="training", time=2.5))
    for begin in range(0, steps, _BLOCK):
        block = [step_of(number) for number in range(begin, min(steps, begin + _BLOCK))]
        state = reduce_figures(state, block)
    return state


def step_of(number: int) -> events.Step:
    loss = 1.0 + (number % 13) / 13
    return step(number + 1, loss=loss, seconds=0.5, time=3.0 + number / 2)


def once(facts: Facts) -> float:
    """Seconds for one application of all rules."""
    began = time.perf_counter()
    for _ in range(_TIMES):
        health.examine(facts)
    return (time.perf_counter() - began) / _TIMES


if __name__ == "__main__":
    main()
