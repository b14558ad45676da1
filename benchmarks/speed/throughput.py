"""mlx_lm.lora and this trainer in turn, on the same model, data, adapter and effective batch.

    python benchmarks/speed/throughput.py [--pairs N] [--layers N] [--trained K] [--vocabulary V]
                                    [--hidden H] [--mask-prompt] [--grad-checkpoint]
                                    [--embedded | --model DIR]

Each side is a process of its own, from its start to its end, on short chats (median 34 tokens, a
tail to 300; 3 epochs). Both have the same BLAS. Printed are the ratios of each pair,
their median and spread:

- useful tokens a second: tokens of the examples, padding not counted, over the time of the steps
  and of the pass through the frozen layers before them
- wall time, from the start of the process to its end, and to the same validation loss
- processor time of the process, which other work on the machine disturbs less
- time from the start of the process to the first step done
- peak memory as MLX counts it, as a whole and over the model's weights
- memory of the process at most, as the system counts it
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from farense_worker.model.tokenizer import load as load_tokenizer
from farense_worker.protocol.settings.profile import Model

from benchmarks.common import reference_machine
from farense_tui.engine.machine import blas
from farense_tui.engine.models.assets import embedded_data, embedded_model
from farense_tui.engine.verify import speed
from farense_tui.engine.verify.speed import Measured
from tests import micro_model

EXAMPLES, VALID, EPOCHS = 848, 96, 3
LENGTH, RATE = 512, 2e-4


def main() -> None:
    """Measure and print."""
    args = arguments()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        model, data, tokens = chosen(place, args)
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


def chosen(place: Path, args: argparse.Namespace) -> tuple[Path, Path, int]:
    """The model, the data, and how many tokens its training rows have."""
    if args.model:
        write_chats(place / "data", args.examples)
        return real(args.model, place / "data", args)
    if args.embedded:
        return real(embedded_model(), embedded_data(), args)
    return made(place, args)


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


def real(model: Path, data: Path, args: argparse.Namespace) -> tuple[Path, Path, int]:
    """Take a model that has learnt, so that losses can be compared."""
    config = json.loads((model / "config.json").read_text())
    args.layers, args.hidden = config["num_hidden_layers"], config["hidden_size"]
    args.vocabulary = config["vocab_size"]
    args.trained = min(args.trained, args.layers)
    tokenizer = load_tokenizer(model, Model())
    rows = [json.loads(line)["messages"] for line in (data / "train.jsonl").open()]
    args.examples = len(rows)
    return model, data, sum(len(tokenizer.apply_chat_template(row)) for row in rows)


def task(model: Path, data: Path, args: argparse.Namespace) -> speed.Task:
    """What both sides train."""
    return speed.Task(
        model,
        data,
        args.examples,
        batch=args.batch,
        epochs=EPOCHS,
        trained=args.trained,
        rate=args.rate,
        length=LENGTH,
        mask_prompt=args.mask_prompt,
        grad_checkpoint=args.grad_checkpoint,
        more=dict(each.split("=", 1) for each in args.set),
    )


def theirs(
    place: Path, model: Path, data: Path, args: argparse.Namespace, steps: int = 0
) -> Measured:
    """Train with mlx_lm.lora; steps: fewer than three epochs."""
    return speed.theirs(place, task(model, data, args), steps)


def our_command(place: Path, model: Path, data: Path, args: argparse.Namespace) -> list[str]:
    """`farense-tui train` with the settings of mlx_lm's side."""
    return speed.our_command(place, task(model, data, args))


def ours(place: Path, model: Path, data: Path, args: argparse.Namespace) -> Measured:
    """Train with `farense-tui train`; tokens may be kept of an earlier pair, validations not."""
    cache = place.parent / "cache"
    shutil.rmtree(cache / "baseline", ignore_errors=True)
    return speed.ours(place, task(model, data, args), cache)


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


def _print_pair(at: int, them: Measured, us: Measured) -> None:
    for name, run in (("mlx_lm", them), ("ours", us)):
        losses = ", ".join(f"{loss:.4f}" for _, loss in run.validations)
        print(
            f"  pair {at + 1} {name:7} training {run.training:6.2f} s  wall {run.wall:6.2f} s  "
            f"processor {run.processor:6.2f} s  "
            f"first step {run.first_step:5.2f} s  peak {run.peak / 1e6:7.1f} MB  "
            f"process {run.process / 1e6:7.1f} MB  "
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
        "process at most, ours / mlx_lm": [us.process / them.process for them, us in pairs],
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
    parser.add_argument("--model", type=Path, help="a model's folder, on the short chats")
    parser.add_argument("--rate", type=float, default=RATE)
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
