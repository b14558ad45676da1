"""mlx_lm.lora and this trainer in turn, on the same model, data, adapter and effective batch.

    python benchmarks/throughput.py [--pairs N] [--layers N] [--trained K] [--vocabulary V]
                                    [--hidden H] [--mask-prompt] [--grad-checkpoint] [--embedded]

Each side is a process of its own, from its start to its end, on short chats (median 34 tokens, a
tail to 300; 3 epochs). Both have the same BLAS. Printed are the ratios of each pair,
their median and spread:

- useful tokens a second: tokens of the examples, padding not counted, over the time of the steps
  and of the pass through the frozen layers before them
- wall time, from the start of the process to its end, and to the same validation loss
- processor time of the process, which other work on the machine disturbs less
- time from the start of the process to the first step done
- peak memory as MLX counts it, as a whole and over the model's weights
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from farense_worker.model.tokenizer import load as load_tokenizer
from farense_worker.protocol.settings.profile import Model

from benchmarks.kill_and_resume import reference_machine
from farense_tui.engine.machine import blas
from farense_tui.engine.models.assets import embedded_data, embedded_model
from tests import micro_model

KEYS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
EXAMPLES, VALID, EPOCHS = 848, 96, 3
RATE, RANK, SCALE, LENGTH = 2e-4, 8, 16.0, 512


@dataclass(frozen=True)
class Measured:
    """One run. Seconds count from the start of the process; memory in bytes."""

    first_step: float
    wall: float
    processor: float  # seconds of it, of all its processes
    training: float  # all steps together, and what is computed once before them
    peak: int
    validations: list[tuple[float, float]]  # when, loss

    def reached(self, loss: float) -> float:
        """When a validation was first at this loss or below."""
        return next((at for at, value in self.validations if value <= loss), float("nan"))


def main() -> None:
    """Measure and print."""
    args = arguments()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        model, data, tokens = embedded(args) if args.embedded else made(place, args)
        weights = (model / "model.safetensors").stat().st_size
        print(f"{reference_machine()}, BLAS: {blas.find() or 'the wheel has its own'}")
        print(
            f"{args.layers} layers, {args.trained} trained, hidden {args.hidden}, vocabulary "
            f"{args.vocabulary}, weights {weights / 1e6:.1f} MB; {args.examples} examples, "
            f"{tokens} tokens, {EPOCHS} epochs, {args.batch} a step; prompts "
            f"{'masked' if args.mask_prompt else 'trained on'}"
        )
        theirs(place / "warm", model, data, args, steps=3)  # compiles MLX's kernels, once
        pairs = []
        for at in range(args.pairs):
            sides = (theirs, ours) if at % 2 else (ours, theirs)
            runs = {
                side.__name__: side(place / f"{at}-{side.__name__}", model, data, args)
                for side in sides
            }
            pairs.append((runs["theirs"], runs["ours"]))
            _print_pair(at, *pairs[-1])
        _print_ratios(pairs, weights, tokens * EPOCHS, learnt=args.embedded)


def made(place: Path, args: argparse.Namespace) -> tuple[Path, Path, int]:
    """Make a model of random weights and short chats: for speed and memory, not for losses."""
    model = micro_model.make(
        place / "model",
        layers=args.layers,
        hidden=args.hidden,
        heads=args.hidden // 32,
        vocabulary=args.vocabulary,
    )
    return model, place / "data", write_chats(place / "data", args.examples)


def embedded(args: argparse.Namespace) -> tuple[Path, Path, int]:
    """Take the embedded model and data: a model that has learnt, so that losses can be compared."""
    model, data = embedded_model(), embedded_data()
    config = json.loads((model / "config.json").read_text())
    args.layers, args.hidden = config["num_hidden_layers"], config["hidden_size"]
    args.vocabulary = config["vocab_size"]
    tokenizer = load_tokenizer(model, Model())
    rows = [json.loads(line)["messages"] for line in (data / "train.jsonl").open()]
    args.examples = len(rows)
    return model, data, sum(len(tokenizer.apply_chat_template(row)) for row in rows)


def theirs(
    place: Path, model: Path, data: Path, args: argparse.Namespace, steps: int = 0
) -> Measured:
    """Train with mlx_lm.lora; steps: fewer than three epochs."""
    place.mkdir()
    settings = {
        "model": str(model),
        "train": True,
        "data": str(data),
        "iters": steps or args.examples // args.batch * EPOCHS,
        "batch_size": args.batch,
        "learning_rate": args.rate,
        # Ours corrects the bias, theirs does not unless it is told to: another learning rate.
        "optimizer_config": {"adam": {"bias_correction": True}},
        "num_layers": args.trained,
        "mask_prompt": args.mask_prompt,
        "grad_checkpoint": args.grad_checkpoint,
        "max_seq_length": LENGTH,
        "steps_per_report": 1,
        "steps_per_eval": args.examples // args.batch,
        "val_batches": -1,
        "save_every": 10_000,
        "adapter_path": str(place / "adapters"),
        "lora_parameters": {"rank": RANK, "scale": SCALE, "dropout": 0.0, "keys": full_names()},
    }
    (place / "settings.json").write_text(json.dumps(settings))
    began = time.time()
    runner = Path(__file__).with_name("mlx_lm_timed.py")
    out, processor = _run([sys.executable, str(runner), str(place / "settings.json")])
    wall = time.time() - began
    told = json.loads(out.splitlines()[-1])
    return Measured(
        first_step=told["steps"][0][0] - began,
        wall=wall,
        processor=processor,
        training=sum(seconds for _, seconds, _ in told["steps"]),
        peak=told["peak"],
        validations=[(at - began, loss) for at, loss in told["validations"]],
    )


def our_command(place: Path, model: Path, data: Path, args: argparse.Namespace) -> list[str]:
    """`farense-tui train` with the settings of mlx_lm's side."""
    settings = {
        "train.batch_size": args.batch,
        "train.grad_accumulation": 1,
        "train.max_seq_length": LENGTH,
        "train.learning_rate": args.rate,
        "train.warmup_steps": 0,
        "train.schedule": "constant",  # mlx_lm's default; the demo's profile has another
        "train.epochs": EPOCHS,
        "train.mask_prompt": str(args.mask_prompt).lower(),
        "train.grad_checkpoint": str(args.grad_checkpoint).lower(),
        "train.rollbacks": 0,
        "lora.num_layers": args.trained,
        "lora.rank": RANK,
        "lora.scale": SCALE,
        "checkpoint.every": 10_000,
        "report.eval_every": args.examples // args.batch,
        "report.questions": "0",
        **dict(each.split("=", 1) for each in args.set),
    }
    command = [sys.executable, "-m", "farense_tui", "train", "--profile", "demo", "--json"]
    command += ["--model", str(model), "--data", str(data)]
    command += ["--runs-dir", str(place), "--name", "run"]
    return command + [f"--set={name}={value}" for name, value in settings.items()]


def ours(place: Path, model: Path, data: Path, args: argparse.Namespace) -> Measured:
    """Train with `farense-tui train`; tokens may be kept of an earlier pair, validations not."""
    cache = place.parent / "cache"
    shutil.rmtree(cache / "baseline", ignore_errors=True)
    began = time.time()
    out, processor = _run(our_command(place, model, data, args), FARENSE_CACHE=str(cache))
    wall = time.time() - began
    events = [json.loads(line) for line in out.splitlines()]
    steps = [event for event in events if event["type"] == "step"]
    return Measured(
        first_step=steps[0]["time"] - began,
        wall=wall,
        processor=processor,
        training=sum(event["seconds"] for event in steps) + _once(events),
        peak=max(event["peak_memory"] for event in steps),
        validations=[(e["time"] - began, e["loss"]) for e in events if e["type"] == "validation"],
    )


def _once(events: list[dict[str, Any]]) -> float:
    """Seconds of the pass through the frozen layers."""
    phases = [event for event in events if event["type"] in ("phase", "run_started")]
    starts = [at for at, event in enumerate(phases) if event.get("name") == "precomputing"]
    return sum(phases[at + 1]["time"] - phases[at]["time"] for at in starts)


def write_chats(folder: Path, examples: int = EXAMPLES) -> int:
    """Write chats as lengths of real ones are: many short, a tail. Gives the training tokens."""
    folder.mkdir()
    rng = random.Random(1)
    total = 0
    for split, count in (("train", examples), ("valid", VALID)):
        rows = []
        for _ in range(count):
            long = rng.random() < 0.25
            answer = int(min(260, rng.lognormvariate(4.6, 0.45) if long else rng.uniform(6, 22)))
            question = rng.randint(5, 24)
            total += (question + answer + 4) * (split == "train")
            turns = [("user", _words(rng, question)), ("assistant", _words(rng, answer))]
            rows.append({"messages": [{"role": role, "content": text} for role, text in turns]})
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{split}.jsonl").write_text(text)
    return total


def _words(rng: random.Random, length: int) -> str:
    """Text that can be learned to some degree: a few words, again and again."""
    words = ["golo", "Faro", "clube", "leão", "jogo", "estádio", "época"]
    text = " ".join(rng.choice(words) for _ in range(length // 4 + 2))
    return text.encode()[:length].decode(errors="ignore").ljust(length, ".")


def full_names() -> list[str]:
    """Names of all linear layers within a layer: mlx_lm wants them whole."""
    attention = {"q_proj", "k_proj", "v_proj", "o_proj"}
    return [f"{'self_attn' if key in attention else 'mlp'}.{key}" for key in KEYS]


def _run(command: list[str], **variables: str) -> tuple[str, float]:
    """What a command prints, and the seconds of processor that it and its children took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, **blas.environment(), **variables}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, used


def _print_pair(at: int, them: Measured, us: Measured) -> None:
    for name, run in (("mlx_lm", them), ("ours", us)):
        losses = ", ".join(f"{loss:.4f}" for _, loss in run.validations)
        print(
            f"  pair {at + 1} {name:7} training {run.training:6.2f} s  wall {run.wall:6.2f} s  "
            f"processor {run.processor:6.2f} s  "
            f"first step {run.first_step:5.2f} s  peak {run.peak / 1e6:7.1f} MB  "
            f"validation {losses}",
            flush=True,
        )


def _print_ratios(
    pairs: list[tuple[Measured, Measured]], weights: int, tokens: int, *, learnt: bool
) -> None:
    seconds = statistics.median(us.training for _, us in pairs)
    print(f"useful tokens a second, ours: median {tokens / seconds:.0f}")
    goal = [max(them.validations[-1][1], us.validations[-1][1]) for them, us in pairs]
    rows: dict[str, list[Any]] = {
        "useful tokens/s, ours / mlx_lm": [them.training / us.training for them, us in pairs],
        "wall time, mlx_lm / ours": [them.wall / us.wall for them, us in pairs],
        "processor time, mlx_lm / ours": [them.processor / us.processor for them, us in pairs],
        "time to the same validation loss, mlx_lm / ours": [
            them.reached(loss) / us.reached(loss)
            for (them, us), loss in zip(pairs, goal, strict=True)
        ]
        if learnt
        else [],
        "first step, mlx_lm / ours": [them.first_step / us.first_step for them, us in pairs],
        "peak memory, ours / mlx_lm": [us.peak / them.peak for them, us in pairs],
        "peak over the weights, ours / mlx_lm": [
            (us.peak - weights) / (them.peak - weights) for them, us in pairs
        ],
    }
    for name, values in rows.items():
        if not values:  # of a model with random weights, which learns when chance will have it
            continue
        print(
            f"{name}: median {statistics.median(values):.2f} "
            f"({min(values):.2f} to {max(values):.2f}, {len(values)} pairs)"
        )


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Read the command line, or what is given of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--embedded", action="store_true", help="the embedded model and data")
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--examples", type=int, default=EXAMPLES)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--trained", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--vocabulary", type=int, default=509)
    parser.add_argument("--batch", type=int, default=4, help="examples a step")
    parser.add_argument("--mask-prompt", action="store_true")
    parser.add_argument("--grad-checkpoint", action="store_true")
    parser.add_argument("--set", action="append", default=[], help="a setting of ours")
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
