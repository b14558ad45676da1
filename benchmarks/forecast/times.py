"""Seconds a step, predicted from one probe step, and as they were.

    python benchmarks/forecast/times.py [--runs 8] [--seed 0]

In pairs: probe, run, probe, so that other load falls on both.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from farense_worker.protocol.settings.profile import Profile

from benchmarks.forecast.forecast import draw_settings, draw_sizes, make_data, make_model
from farense_tui.engine.forecast import gather
from tests.real_runs import RunMaker, finish


def runs(number: int, seed: int) -> None:
    """Seconds a step: predicted from a probe before and one after, and those of the run between."""
    ratios = []
    for at in range(number):
        dice = random.Random(f"times-{seed}-{at}")
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            sizes = replace(
                draw_sizes(dice, ("llama",)), bits=0, half=False, hidden=384, heads=8, kv_heads=4,
                head_dim=48, ffn=1024, layers=dice.randint(4, 10),
            )  # fmt: skip
            model = make_model(sizes, place / "model")
            data = make_data(dice, 80, 200, place / "data")
            settings = draw_settings(dice, sizes, "eager") | {
                "train.batch_size": dice.choice([2, 4]),
                "train.grad_accumulation": 2,
                "train.max_seq_length": 200,
                "train.epochs": 1,
            }
            make = RunMaker(place / "runs", model, data)
            named = {key.replace(".", "__"): value for key, value in settings.items()}
            folder = make("run", **named)
            config = folder.read_config()
            profile = Profile(**{key: getattr(config, key) for key in Profile.__struct_fields__})
            known = gather.facts(profile)
            plain = gather.estimate(profile, known, disk=place)
            before = gather.probe(profile, plain, known)
            finish(folder)
            after = gather.probe(profile, plain, known)
            said = [
                gather.estimate(profile, known, measured=each, disk=place).forecast
                for each in (before, after)
            ]
            predicted = statistics.mean(f.step_seconds for f in said if f and f.step_seconds)
            lines = map(json.loads, folder.events.read_text().splitlines())
            took = [line["seconds"] for line in lines if line["type"] == "step"][1:]
            ratio = predicted / statistics.mean(took)
            ratios.append(ratio)
            print(
                f"{at + 1}/{number} predicted {predicted:.3f} s, {len(took)} steps took "
                f"{statistics.mean(took):.3f} s: {ratio:.2f}",
                flush=True,
            )
    print(
        f"predicted / measured: median {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} runs)"
    )


def main() -> None:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    runs(args.runs, args.seed)


if __name__ == "__main__":
    main()
