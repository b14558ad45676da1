"""A real model through the whole job, as users do it: commands, files, other programs.

    make real, or: python benchmarks/real_model/real_model.py [--keep FOLDER] [--only NAME ...]

SmolLM2-135M-Instruct is fetched and made (smollm2.py), 80 of the sample questions are trained, and
every line of the table is a check: what is printed as amiss ends it with an error. On a CPU it
computes in float32, because MLX multiplies 16-bit numbers without a BLAS there; one check is in
bfloat16, with four rows.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.command_line import Failed
from benchmarks.common import reference_machine
from benchmarks.real_model import beside, checks, smollm2
from farense_tui.engine.machine import blas

CHECKS = checks.CHECKS | beside.CHECKS


def main() -> int:
    """Run the checks and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keep", type=Path, help="work here, and leave models and runs")
    parser.add_argument(
        "--only", nargs="*", choices=CHECKS, help="these; most need `training`, now or in FOLDER"
    )
    args = parser.parse_args()
    print(
        f"{reference_machine()}; BLAS: {blas.find() or 'of the wheel'}; "
        f"mlx {version('mlx')}, mlx-lm {version('mlx-lm')}\n"
    )
    print("| check | what was seen | | seconds |")
    print("| --- | --- | --- | --- |", flush=True)
    began, amiss = time.monotonic(), 0
    with contextlib.ExitStack() as stack:
        place = args.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        job = checks.Job(place, *smollm2.make(place / "models"))
        for name, check in CHECKS.items():
            if not args.only or name in args.only:
                amiss += _table(name, check(job))
    print(f"\n{time.monotonic() - began:.0f} seconds, {amiss or 'nothing'} amiss")
    return int(amiss > 0)


def _table(name: str, found: checks.Found) -> int:
    """Print what a check finds; how much of it is amiss."""
    amiss, last = 0, time.monotonic()
    try:
        for what, seen, well in found:
            amiss += not well
            now = time.monotonic()
            print(f"| {what} | {seen} | {'' if well else 'AMISS'} | {now - last:.0f} |", flush=True)
            last = now
    except (Failed, OSError, LookupError) as error:
        print(f"| {name} | {' '.join(str(error).split())} | AMISS | |", flush=True)
        amiss += 1
    return amiss


if __name__ == "__main__":
    raise SystemExit(main())
