"""What the own import path and the own tokenizer save: from the command to the first step done.

    python benchmarks/speed/start_imports.py [--rounds N]

`farense-tui train --profile demo --json`, in turn as it is; with the tokenizer that transformers
makes; and with mlx_lm imported as it comes too. Seconds are the clock's and the processor's (user
and system, of the command and the worker), until the first step is told. Nothing is kept from run
to run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common import reference_machine

# Runs in every Python that is started, before anything of ours is imported.
PLAIN_IMPORT = """
    if name == "farense_worker.model.compat":
        import mlx_lm, mlx_lm.utils, mlx_lm.tuner.utils
"""
PLAIN_TOKENIZER = """
    if name == "farense_worker.model.tokenizer":
        sys.meta_path.remove(Plain)
        spec = importlib.util.find_spec(name)
        sys.meta_path.insert(0, Plain)
        execute = spec.loader.exec_module
        def exec_module(module):
            execute(module)
            module._by_its_files = lambda *_: None
        spec.loader.exec_module = exec_module
        return spec
"""
HOOK = """
import importlib.util, sys
def find_spec(name, path=None, target=None):
    pass
    {wanted}
class Plain:
    find_spec = staticmethod(find_spec)
sys.meta_path.insert(0, Plain)
"""
SIDES = {
    "ours": "",
    "plain tokenizer": PLAIN_TOKENIZER,
    "plain tokenizer and imports": PLAIN_IMPORT + PLAIN_TOKENIZER,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {side: [] for side in SIDES}
    print(reference_machine())
    for at in range(args.rounds + 1):  # the first to warm the system's file cache
        for side, hook in SIDES.items():
            seconds = start(hook)
            print(f"  round {at}: {side}: {seconds[0]:.2f} s, processor {seconds[1]:.2f} s")
            if at:
                found[side].append(seconds)
    for side, times in found.items():
        for what, values in zip(("clock", "processor"), zip(*times, strict=True), strict=True):
            told = f"{min(values):.2f} to {max(values):.2f}"
            print(f"{side}: {what} {statistics.median(values):.2f} s ({told})")
    for side in list(SIDES)[1:]:
        for at, what in enumerate(("clock", "processor")):
            pairs = zip(found[side], found["ours"], strict=True)
            saved = [theirs[at] - ours[at] for theirs, ours in pairs]
            told = f"{min(saved):.2f} to {max(saved):.2f}"
            print(f"saved against {side}: {what} {statistics.median(saved):.2f} s ({told})")


def start(hook: str) -> tuple[float, float]:
    """Train until the first step is told; seconds of the clock and of the processor."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "sitecustomize.py").write_text(HOOK.format(wanted=hook.strip()))
        command = [sys.executable, "-m", "farense_tui", "train", "--profile", "demo", "--json"]
        environment = {
            **os.environ,
            "PYTHONPATH": name,
            "FARENSE_RUNS": str(place / "runs"),
            "FARENSE_CACHE": str(place / "cache"),
        }
        began = time.perf_counter()
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if json.loads(line)["type"] == "step":
                    break
            else:
                sys.exit(f"it ended with {process.wait()} before its first step")
            seconds = time.perf_counter() - began
            family = [psutil.Process(process.pid)]
            family += family[0].children(recursive=True)
            used = sum(sum(each.cpu_times()[:4]) for each in family)
            for each in family:
                each.kill()
    return seconds, used


if __name__ == "__main__":
    main()
