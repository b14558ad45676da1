"""System prompts of several lengths: mlx_lm.lora, ours without and with the prefix shared, in turn.

    python benchmarks/speed/prefix.py [--pairs N] [--prompts 0,50,150,500] [--trained half,all]
                                [--model FOLDER] [--examples N] [--epochs N]
                                [--layers N] [--hidden H] [--csv FILE]

Each run is a process of its own, from its start to its end, on the short chats of throughput.py
behind one system prompt of so many tokens, 8 a step, prompts masked. Printed is a table, medians
with the lowest and the highest:

- useful tokens a second, ours over mlx_lm's: of the steps and of the pass through frozen layers
- the same, with the prefix shared over without
- the peak as MLX counts it, ours over mlx_lm's; the process at most, as the system counts it
- how far the losses of a step are apart at most, with the prefix shared and without

--model: a folder of a real model in place of one of random weights, as SmolLM2-135M; on a CPU with
less to train: --prompts 0,150 --examples 8 --epochs 2. All layers behind 500 tokens takes longest,
of which fewer steps tell as much: --prompts 500 --trained all --examples 16 --epochs 2.

--csv: keeps the ratios there, in place of those of the same model, layers and prompt, so that a
table may be measured in parts; prefix_plot.py draws them.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from farense_worker.model.tokenizer import load as load_tokenizer
from farense_worker.protocol.settings.profile import Model

from benchmarks.common import reference_machine
from benchmarks.speed import throughput
from farense_tui.engine.machine import blas
from farense_tui.engine.verify import speed
from farense_tui.engine.verify.speed import Measured, Task
from tests import micro_model

_LENGTH = 1024
COLUMNS = ["model", "trained", "prompt", "measure", "median", "lowest", "highest"]
_SENTENCE = "Responde como um sócio do clube, em poucas palavras e sem inventar nada. "


@dataclass(frozen=True)
class Round:
    """The three runs on one set; apart: of the losses of ours, step by step."""

    theirs: Measured
    plain: Measured
    shared: Measured
    apart: float

    @property
    def faster(self) -> float:
        return self.theirs.training / self.shared.training

    @property
    def by_sharing(self) -> float:
        return self.plain.training / self.shared.training

    @property
    def without(self) -> float:
        return self.theirs.training / self.plain.training

    @property
    def peak(self) -> float:
        return self.shared.peak / self.theirs.peak

    @property
    def process(self) -> float:
        return self.shared.process / self.theirs.process


def main() -> None:
    """Measure and print."""
    args = arguments()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        model = args.model or _random(place, args)
        args.layers = json.loads((model / "config.json").read_text())["num_hidden_layers"]
        print(f"{reference_machine()}, BLAS: {blas.find() or 'the wheel has its own'}")
        print(f"{model.name}, {args.layers} layers; {args.examples} rows, {args.epochs} epochs")
        print(f"load before: {os.getloadavg()[0]:.1f}\n\n{_HEAD}", flush=True)
        first, began = True, time.monotonic()
        for trained in args.trained_layers.split(","):
            layers = args.layers if trained == "all" else args.layers // 2
            for prompt in args.prompts.split(","):
                data, tokens = chats(place / f"{prompt}-{trained}", model, int(prompt), args)
                task = Task(model, data, args.examples, 8, args.epochs, layers, length=_LENGTH)
                if first:  # compiles what MLX compiles once
                    speed.theirs(place / "warm", task, steps=1)
                    first = False
                rounds = [
                    _round(place / f"{prompt}-{trained}-{at}", task, at) for at in range(args.pairs)
                ]
                print(_line(trained, tokens, rounds), flush=True)
                if args.csv:
                    keep(args.csv, [described(model, args), trained, prompt], rounds)
        minutes = (time.monotonic() - began) / 60
        print(f"\nload after: {os.getloadavg()[0]:.1f}; {minutes:.1f} minutes")


def described(model: Path, args: argparse.Namespace) -> str:
    """Name a model as the plot does."""
    return model.name if args.model else f"{args.layers} layers of {args.hidden}"


def keep(table: Path, run: list[str], rounds: list[Round]) -> None:
    """Write the ratios to mlx_lm down: median, lowest, highest, in place of an earlier run's."""
    lines = [COLUMNS]
    if table.exists():
        with table.open(newline="") as file:
            lines += [line for line in csv.reader(file) if line[:3] not in (run, COLUMNS[:3])]
    for name, ratios in (
        ("shared", [each.faster for each in rounds]),
        ("plain", [each.without for each in rounds]),
    ):
        spread = (statistics.median(ratios), min(ratios), max(ratios))
        lines.append([*run, name, *(f"{value:.3f}" for value in spread)])
    with table.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)


def _random(place: Path, args: argparse.Namespace) -> Path:
    return micro_model.make(
        place / "model",
        layers=args.layers,
        hidden=args.hidden,
        heads=args.hidden // 32,
        vocabulary=args.vocabulary,
    )


def chats(folder: Path, model: Path, prompt: int, args: argparse.Namespace) -> tuple[Path, float]:
    """Write the chats of throughput.py behind a system prompt; the tokens that it comes to."""
    throughput.write_chats(folder, args.examples)
    tokenizer = load_tokenizer(model, Model())

    def count(turns: list[dict[str, str]]) -> int:
        return len(tokenizer.apply_chat_template(turns))

    first = _rows(folder / "train.jsonl")[0]
    text = ""
    while prompt and count([_system(text), *first]) - count(first) < prompt:
        text += _SENTENCE[len(text) % len(_SENTENCE)]
    own = count([_system(text), *first]) - count(first) if prompt else 0
    for path, most in ((folder / "train.jsonl", None), (folder / "valid.jsonl", 8)):
        rows = [[_system(text), *row] if prompt else row for row in _rows(path)[:most]]
        lines = [json.dumps({"messages": row}, ensure_ascii=False) + "\n" for row in rows]
        path.write_text("".join(lines))
    return folder, own


def _rows(path: Path) -> list[list[dict[str, str]]]:
    return [json.loads(line)["messages"] for line in path.read_text().splitlines()]


def _system(text: str) -> dict[str, str]:
    return {"role": "system", "content": text}


def _round(place: Path, task: Task, at: int) -> Round:
    """Run the three, in another order each time."""
    runs: dict[str, Measured] = {}
    losses: dict[str, list[float]] = {}
    sides = ["mlx_lm", "off", "auto"]
    for side in sides[at % 3 :] + sides[: at % 3]:
        if side == "mlx_lm":
            runs[side] = speed.theirs(place / side, task)
            continue
        ours = replace(task, more={"train.shared_prefix": side})
        runs[side] = speed.ours(place / side, ours, place / f"{side}-cache")
        losses[side] = _losses(place / side / "run" / "events.jsonl")
    pairs = zip(losses["off"], losses["auto"], strict=True)
    apart = max(abs(one - other) for one, other in pairs)
    shutil.rmtree(place)
    return Round(runs["mlx_lm"], runs["off"], runs["auto"], apart)


def _losses(record: Path) -> list[float]:
    events = [json.loads(line) for line in record.read_text().splitlines()]
    return [event["loss"] for event in events if event["type"] == "step"]


_HEAD = (
    "| trained | system prompt | shared / mlx_lm | plain / mlx_lm | shared / plain "
    "| peak, shared / mlx_lm | process, shared / mlx_lm | losses apart |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def _line(trained: str, tokens: float, rounds: list[Round]) -> str:
    cells = [
        _spread([each.faster for each in rounds]),
        _spread([each.without for each in rounds]),
        _spread([each.by_sharing for each in rounds]),
        _spread([each.peak for each in rounds]),
        f"{_spread([each.process for each in rounds])}, {_megabytes(rounds)}",
        f"{max(each.apart for each in rounds):.0e}",
    ]
    return f"| {trained} | {tokens} | {' | '.join(cells)} |"


def _megabytes(rounds: list[Round]) -> str:
    """Say what the processes take at most: medians."""
    sides = ([each.shared for each in rounds], [each.theirs for each in rounds])
    ours, theirs = (statistics.median(each.process for each in side) / 1e6 for side in sides)
    return f"{ours:.0f} of {theirs:.0f} MB"


def _spread(values: list[float]) -> str:
    middle = f"{statistics.median(values):.2f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.2f} to {max(values):.2f})"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=1, help="rounds of the three")
    parser.add_argument("--prompts", default="0,50,150,500", help="tokens of the system prompts")
    parser.add_argument("--trained", dest="trained_layers", default="half,all")
    parser.add_argument("--model", type=Path, help="a folder; without it random weights")
    parser.add_argument("--csv", type=Path, help="a file to keep the ratios in")
    parser.add_argument("--examples", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--hidden", type=int, default=192)
    parser.add_argument("--vocabulary", type=int, default=509)
    return parser.parse_args()


if __name__ == "__main__":
    main()
