"""Kill a run at random moments, resume it, and count how often it ends byte-equal.

    python benchmarks/faults/kill_and_resume.py [--kills 100] [--seed 0]

One run trains to its end undisturbed. Then the same run is killed by SIGKILL, each time at another
moment: after a random event of its record and a random delay of up to 50 ms, so that steps,
accumulation, validation, samples and saves are all hit; now and then the resumed worker is killed
too. What is compared: every loss and gradient norm to the last digit, learning rates, validations,
the published adapter, the newest checkpoint's weights and every tensor of its optimizer.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common import SETTINGS, reference_machine, write_data
from farense_tui.engine.verify.survival import kill
from tests import micro_model
from tests.real_runs import RunMaker, finish, results


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    dice = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        make = RunMaker(
            place / "runs", micro_model.make(place / "model"), write_data(place / "data")
        )
        reference = make("reference", **SETTINGS)
        finish(reference)
        expected = results(reference)
        lines = reference.events.read_bytes().count(b"\n")
        equal, hit = 0, Counter[str]()
        for number in range(args.kills):
            folder = make(f"run-{number}", **SETTINGS)
            for _ in range(1 + (dice.random() < 0.3)):
                phase = kill(folder, dice.randrange(1, lines), dice.random() * 0.05)
                hit[phase] += 1
            finish(folder)
            same = results(folder) == expected
            equal += same
            print(f"{number + 1:3} killed in {phase:13} {'equal' if same else 'DIFFERENT'}")
            if same:
                shutil.rmtree(folder.path)
        print(f"\n{equal} of {args.kills} ended byte-equal; {sum(hit.values())} kills:")
        print(", ".join(f"{count} in {phase}" for phase, count in hit.most_common()))
        print(f"MLX {metadata.version('mlx')}, {reference_machine()}")
        sys.exit(equal != args.kills)


if __name__ == "__main__":
    main()
