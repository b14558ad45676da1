"""Seconds a step, predicted from one probe step, and as they were.

    python benchmarks/forecast/times.py [--runs 8] [--seed 0]
    python benchmarks/forecast/times.py --prompts 0,50,150,500 [--trained half,all]
                                        [--model FOLDER --examples 8]

In pairs: probe, run, probe, so that other load falls on both. First: models, rows and settings
drawn at random. Second: the chats of benchmarks/speed/prefix.py behind system prompts of so many
tokens, 8 a step, which go through the model once a step.
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

from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Profile

from benchmarks.forecast.forecast import draw_settings, draw_sizes, make_data, make_model
from benchmarks.speed import prefix
from farense_tui.engine.forecast import gather
from farense_tui.engine.verify.speed import KEYS
from tests import micro_model
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
            ratios.append(compared(folder, f"{at + 1}/{number}"))
    told(ratios)


def behind(prompts: list[int], trained: list[str], args: argparse.Namespace) -> None:
    """Compare on rows that begin alike, with the settings of benchmarks/speed/prefix.py."""
    ratios = []
    for part, prompt in ((part, prompt) for part in trained for prompt in prompts):
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            model = args.model or micro_model.make(
                place / "model", layers=8, hidden=192, heads=6, vocabulary=509
            )
            layers = json.loads((model / "config.json").read_text())["num_hidden_layers"]
            data, _tokens = prefix.chats(place / "data", model, prompt, args)
            folder = RunMaker(place / "runs", model, data)(
                train__batch_size=8,
                train__grad_accumulation=1,
                train__max_seq_length=1024,
                train__mask_prompt=True,
                train__epochs=3,
                lora__num_layers=layers if part == "all" else layers // 2,
                lora__keys=KEYS,
                lora__dropout=0.0,
                lora__rank=8,
                report__questions=0,
                report__eval_every=10_000,
            )
            ratios.append(compared(folder, f"{part}, {prompt} tokens:"))
    told(ratios)


def compared(folder: RunFolder, title: str) -> float:
    """Probe, run, probe; predicted over measured seconds a step, without the first."""
    config = folder.read_config()
    profile = Profile(**{key: getattr(config, key) for key in Profile.__struct_fields__})
    known, place = gather.facts(profile), folder.path.parent
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
    print(
        f"{title} predicted {predicted:.3f} s, {len(took)} steps took "
        f"{statistics.mean(took):.3f} s: {ratio:.2f}",
        flush=True,
    )
    return ratio


def told(ratios: list[float]) -> None:
    """Print the median with the lowest and the highest."""
    print(
        f"predicted / measured: median {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} runs)"
    )


def main() -> None:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--prompts", default="", help="tokens of system prompts, in place of runs")
    parser.add_argument("--trained", default="half,all")
    parser.add_argument("--model", type=Path, help="a folder; without it random weights")
    parser.add_argument("--examples", type=int, default=32)
    args = parser.parse_args()
    if args.prompts:
        behind([int(each) for each in args.prompts.split(",")], args.trained.split(","), args)
    else:
        runs(args.runs, args.seed)


if __name__ == "__main__":
    main()
