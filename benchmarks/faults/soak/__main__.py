"""An hour of faults, or as many minutes as are given; counts what was tried and what did not hold.

    python -m benchmarks.faults.soak [--minutes 60] [--seed 0] [PART ...]

kills: worker, app and both, at random moments; the run ends as one that nobody killed.
saves: each operation on the disk of a save fails once, by each error there is.
power: the disk after a power loss, with what was not yet brought to it dropped and reordered.
records: damaged records through state, monitor and report.
inputs: damaged profiles, configurations, manifests, rows, templates.
Each part takes its share of the time. The exit code is 1 if anything did not hold; what was tried
follows from the seed.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.common import reference_machine
from benchmarks.faults.soak import inputs, kills, power, records, saves
from benchmarks.faults.soak.tally import Tally

Part = Callable[[Path, random.Random, Callable[[], bool], Tally], None]
PARTS: dict[str, tuple[Part, float]] = {  # and the share of the time
    "kills": (kills.soak, 0.5),
    "saves": (saves.soak, 0.1),
    "power": (power.soak, 0.1),
    "records": (records.soak, 0.15),
    "inputs": (inputs.soak, 0.15),
}


def main() -> int:
    """Do the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    chosen = {name: PARTS[name] for name in args.parts or PARTS}
    shares = sum(share for _part, share in chosen.values())
    print(reference_machine(), flush=True)
    failed = 0
    for name, (part, share) in chosen.items():
        tally = Tally(name)
        with tempfile.TemporaryDirectory(prefix="farense-soak-", dir=memory()) as place:
            more = until(time.monotonic() + 60 * args.minutes * share / shares)
            part(Path(place), random.Random(args.seed), more, tally)
        tally.tell()
        failed += tally.failed
    return int(failed > 0)


def until(deadline: float) -> Callable[[], bool]:
    """Once, however late it is, and again until then."""
    first = iter((True,))
    return lambda: next(first, False) or time.monotonic() < deadline


def memory() -> str | None:
    """A folder in memory, where there is one: what is tried is not how fast the disk is."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


if __name__ == "__main__":
    sys.exit(main())
