"""Time from starting `farense-tui` to its first frame, in a pseudo-terminal of 120x36.

    python benchmarks/screen/first_paint.py [--times 7]

The first frame is there when the name of a profile is on the screen. The shell's own start is not
counted; Python's is.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import pexpect

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common import reference_machine


def main() -> None:
    """Print median and range."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=7)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        times = [first_paint(Path(place)) for _ in range(args.times + 1)][1:]
    print(
        f"first paint: median {statistics.median(times):.2f} s, "
        f"{min(times):.2f} to {max(times):.2f} s over {len(times)} starts, one more to warm up"
    )
    print(reference_machine())


def first_paint(runs_dir: Path) -> float:
    """Start the app, wait for its first frame, end it; seconds."""
    environment = {**os.environ, "TERM": "xterm-256color", "FARENSE_RUNS": str(runs_dir)}
    began = time.perf_counter()
    app = pexpect.spawn(
        sys.executable, ["-m", "farense_tui"], dimensions=(36, 120), env=environment, timeout=30
    )
    app.expect("M1")
    seconds = time.perf_counter() - began
    app.kill(15)
    app.expect(pexpect.EOF)
    app.wait()
    return seconds


if __name__ == "__main__":
    main()
