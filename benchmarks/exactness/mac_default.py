"""What a Mac trains by default, on this machine: 4 bits, 16-bit floats, trunk, masked prompts.

    python benchmarks/exactness/mac_default.py [--steps 24] [--short]

The base is the embedded model through mlx_lm's convert -q (4 bits, groups of 64) in float16 and
bfloat16; its upper two layers are trained, compiled and not, and each run is done three times: to
its end, killed and resumed, and in float32 on the same base. MLX's CPU build multiplies 16-bit
numbers without a BLAS, so the steps are of two rows. Printed for each: how far its losses are from
float32's, whether the killed run ended byte-equal, and whether mlx_lm answers as `ask` does.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from farense_worker.generate import decoding
from farense_worker.model import inference, tokenizer
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Model

from benchmarks import command_line as cli
from benchmarks.common import reference_machine
from farense_tui.engine.models.assets import embedded_data, embedded_model
from tests.real_runs import results

QUESTION, TOKENS = "Em que época subiu o Farense?", 12
ROWS = 8  # of two rows a step: four steps an epoch
DTYPES = ("float16", "bfloat16")


@dataclass(frozen=True)
class Seen:
    """Of one run: losses, how they differ from float32's, and what else was looked at."""

    name: str
    first: float
    last: float
    first_apart: float  # relative, at step 1: rounding alone
    mean_apart: float  # relative, of the mean over the last quarter of the steps
    validation_apart: float  # relative, at the end
    resumed: bool
    answers: bool

    @property
    def sound(self) -> bool:
        """Whether nothing is amiss."""
        return self.resumed and self.answers and self.mean_apart < 0.05


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--short", action="store_true", help="float16 alone, half the steps")
    args = parser.parse_args()
    print(f"{reference_machine()}; mlx {version('mlx')}, mlx-lm {version('mlx-lm')}\n")
    print("| run | first and last loss | step 1 | last quarter | validation | resumed | answers |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    sound = True
    with tempfile.TemporaryDirectory() as name:
        for each in check(Path(name), args.steps, short=args.short):
            print(
                f"| {each.name} | {each.first:.3f}, {each.last:.3f} | {each.first_apart:.1e} "
                f"| {each.mean_apart:.1e} | {each.validation_apart:.1e} "
                f"| {'byte-equal' if each.resumed else 'DIFFERENT'} "
                f"| {'equal' if each.answers else 'DIFFERENT'} |",
                flush=True,
            )
            sound = sound and each.sound
    return int(not sound)


def check(place: Path, steps: int, *, short: bool) -> Iterator[Seen]:
    """Train on each base in its own floats, compiled where there is a compiler."""
    data = _rows(place / "data")
    compiled = ("off", "on") if shutil.which("g++") and not short else ("off",)
    if short:
        steps //= 2
    for dtype in DTYPES[:1] if short else DTYPES:
        base = quantised(embedded_model(), place / dtype, dtype)
        exact = _train(place, f"{dtype}-exact", base, data, steps, dtype="float32")
        for how in compiled:
            name = f"{dtype}{', compiled' if how == 'on' else ''}"
            made = {"dtype": dtype, "compile": how}
            whole = _train(place, f"{dtype}-{how}", base, data, steps, **made)
            broken = f"{dtype}-{how}-killed"
            cli.killed(_command(place, broken, base, data, steps, **made), step=steps * 2 // 3)
            cli.text(cli.ours(place / "runs", "resume", broken, "--json"))
            yield _seen(place, name, whole, exact, RunFolder(place / "runs" / broken), base)


def quantised(model: Path, folder: Path, dtype: str) -> Path:
    """Quantise a model with mlx_lm; its scales are in `dtype`."""
    from mlx_lm import convert

    with contextlib.redirect_stdout(sys.stderr):  # it talks
        convert(str(model), str(folder), quantize=True, q_bits=4, q_group_size=64, dtype=dtype)
    return folder


def _rows(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for split, count in (("train", ROWS), ("valid", 4)):
        lines = (embedded_data() / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
        (folder / f"{split}.jsonl").write_text("\n".join(lines[:count]) + "\n", encoding="utf-8")
    return folder


def _command(
    place: Path, name: str, base: Path, data: Path, steps: int, dtype: str, compile: str = "off"
) -> list[str]:
    settings: dict[str, Any] = {
        "model.dtype": dtype, "train.compile": compile, "train.trunk_cache": "on",
        "train.mask_prompt": "true", "train.batch_size": 2, "train.grad_accumulation": 1,
        "train.epochs": -(-steps // (ROWS // 2)), "train.max_seq_length": 64,
        "train.learning_rate": 1e-3, "train.warmup_steps": 2, "lora.num_layers": 2,
        "lora.rank": 8, "lora.scale": 16, "checkpoint.every": 5, "report.eval_every": 10_000,
        "report.questions": 0, "report.at_end": "false",
    }  # fmt: skip
    sets = [f"--set={key}={value}" for key, value in settings.items()]
    words = ["train", "--profile", "m1-8gb", "--model", str(base), "--data", str(data), "--json"]
    return cli.ours(place / "runs", *words, "--name", name, *sets)


def _train(place: Path, name: str, *rest: Any, **more: Any) -> RunFolder:
    cli.text(_command(place, name, *rest, **more))
    return RunFolder(place / "runs" / name)


def _seen(
    place: Path, name: str, run: RunFolder, exact: RunFolder, broken: RunFolder, base: Path
) -> Seen:
    ours, theirs = losses(run), losses(exact)
    quarter = max(1, len(ours) // 4)
    here, there = (sum(each[-quarter:]) for each in (ours, theirs))
    checked, wanted = (results(each)["validations"][-1][1] for each in (run, exact))
    return Seen(
        name,
        ours[0],
        ours[-1],
        abs(ours[0] - theirs[0]) / theirs[0],
        abs(here - there) / there,
        abs(checked - wanted) / wanted,
        results(run) == results(broken),
        _answer(run, base) == cli.their_answer(base, run.adapters, QUESTION, TOKENS),
    )


def _answer(run: RunFolder, base: Path) -> str:
    """Answer in the floats of the training: `ask` takes what is best here, on a CPU float32."""
    settings = Model(repo=str(base), dtype="model")
    network = inference.load(base, settings, run.name, str(run.adapters))
    return decoding.answer(network, tokenizer.load(base, settings), QUESTION, TOKENS)


def losses(run: RunFolder) -> list[float]:
    """Of each step, in turn."""
    lines = map(json.loads, run.events.read_text(encoding="utf-8").splitlines())
    return [event["loss"] for event in lines if event["type"] == "step"]


if __name__ == "__main__":
    raise SystemExit(main())
