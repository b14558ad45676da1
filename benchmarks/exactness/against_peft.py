"""Train step by step beside torch, transformers and peft, from our step 0, and compare.

    make against-peft, or with the extra `peft` installed:
    python benchmarks/exactness/against_peft.py [--short] [CASE ...]

Each case is a run by a worker process in float32 on a toy model with random weights. The other side
knows nothing of our code: it reads the rows and the weights that our step 0 has on the disk, makes
tokens, labels, batches, rates and steps by itself (peft_run.py), and ends with weights
of its own. Printed are the largest difference of a loss in all steps, of a gradient norm relative
to it, and of a trained tensor relative to how far that has moved since step 0 (L2 norms).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import mlx.core as mx
import numpy as np
from farense_worker.protocol.settings.profile import replace_setting
from farense_worker.protocol.settings.profile_file import parse

from benchmarks.common import reference_machine
from benchmarks.exactness import peft_run
from farense_tui.engine.runs import new_run
from tests.real_runs import finish

# What is printed above these ends with an error.
MOST_LOSS, MOST_MOVED = 1e-4, 1e-3
PROFILE = """
[model]
dtype = "float32"
[train]
batch_size = 2
grad_accumulation = 2
max_seq_length = 96
learning_rate = 2e-3
warmup_steps = 0
epochs = 4
[lora]
rank = 4
scale = 8.0
num_layers = 2
[checkpoint]
every = 10000
keep = 1000
[report]
eval_every = 10000
at_end = false
"""


@dataclass(frozen=True)
class Case:
    """A run; set: what differs from the profile above; bits: of a quantised base.

    system: the rows share a system prompt, which is computed once for those of a step.
    """

    name: str
    family: str = "llama"
    set: dict[str, Any] = field(default_factory=dict)
    bits: int = 0
    system: bool = False
    short: bool = False


def _train(**settings: Any) -> dict[str, Any]:
    return {f"train.{name}": value for name, value in settings.items()}


DORA, FULL = _train(fine_tune_type="dora"), _train(fine_tune_type="full", learning_rate=2e-4)
SGD = _train(optimizer="sgd", learning_rate=0.05)
PHI3 = {"lora.keys": ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")}
CASES = (
    Case("LoRA, Adam", short=True),
    Case("LoRA, AdamW, decay 0.1", set=_train(optimizer="adamw", weight_decay=0.1)),
    Case("LoRA, SGD", set=SGD),
    Case("LoRA, SGD, decay 0.01", set=SGD | _train(weight_decay=0.01)),
    Case("LoRA, Adafactor", set=_train(optimizer="adafactor")),
    Case("LoRA, warm-up and cosine", set=_train(schedule="cosine", warmup_steps=4), short=True),
    Case(
        "LoRA, warm-up and linear to 1e-4",
        set=_train(schedule="linear", warmup_steps=4, final_learning_rate=1e-4),
    ),
    Case("LoRA, gradients clipped to 0.05", set=_train(max_grad_norm=0.05)),
    Case("LoRA, prompts trained too", set=_train(mask_prompt=False)),
    Case("LoRA, last answers alone", set=_train(answers="last")),
    Case("LoRA, cut to 48 tokens", set=_train(max_seq_length=48)),
    Case("LoRA, one row at once", set=_train(batch_size=1, grad_accumulation=4)),
    Case("LoRA, without a stored trunk", set=_train(trunk_cache="off")),
    Case("LoRA, all layers", set={"lora.num_layers": -1}),
    Case("LoRA, checkpointing", set=_train(grad_checkpoint=True)),
    Case("LoRA, q and v alone", set={"lora.keys": ("q_proj", "v_proj")}),
    Case("LoRA, a system prompt in all rows", system=True, short=True),
    Case("LoRA, all layers, a system prompt", set={"lora.num_layers": -1}, system=True),
    Case("LoRA, compiled", set=_train(compile="on")),
    Case("DoRA", set=DORA, short=True),
    Case("DoRA, AdamW, clipped", set=DORA | _train(optimizer="adamw", max_grad_norm=0.05)),
    Case("full", set=FULL, short=True),
    Case("full, Adafactor", set=FULL | _train(optimizer="adafactor")),
    Case("full, norm and embeddings too", set=FULL | _train(modules=("embed_tokens", "norm"))),
    Case("LoRA on 4 bits", bits=4, short=True),
    Case("LoRA on 8 bits", bits=8),
    Case("LoRA on 4 bits, compiled, checkpointing", bits=4,
         set=_train(compile="on", grad_checkpoint=True)),
    Case("DoRA on 4 bits", bits=4, set=DORA),
    *(Case(f"LoRA, {family}", family) for family in ("llama3", "qwen2", "qwen3")),
    Case("LoRA, gemma2", "gemma2", short=True),
    Case("LoRA, gemma3", "gemma3"),
    Case("LoRA, phi3", "phi3", set=PHI3),
    Case("full, gemma3", "gemma3", set=FULL),
    Case("DoRA, qwen3 in 4 bits", "qwen3", set=DORA, bits=4),
)  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """The largest ones of a case."""

    steps: int
    loss: float
    norm: float
    moved: float


def main() -> int:
    """Run the cases and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="one of each kind")
    parser.add_argument("case", nargs="*", help="those whose names hold this")
    args = parser.parse_args()
    versions = ", ".join(f"{name} {version(name)}" for name in ("mlx", "mlx-lm", *peft_run.USED))
    print(f"{reference_machine()}; {versions}\n")
    print("| case | steps | loss | gradient norm, relative | weights, of their movement |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    worst = Difference(0, 0.0, 0.0, 0.0)
    with tempfile.TemporaryDirectory() as name:
        for case in CASES:
            named = not args.case or any(each in case.name for each in args.case)
            if not named or (args.short and not case.short) or not _runs_here(case):
                continue
            found = compare(case, Path(name))
            print(
                f"| {case.name} | {found.steps} | {found.loss:.1e} | {found.norm:.1e} "
                f"| {found.moved:.1e} |",
                flush=True,
            )
            worst = Difference(
                worst.steps + found.steps,
                max(worst.loss, found.loss),
                max(worst.norm, found.norm),
                max(worst.moved, found.moved),
            )
    print(
        f"\nThe largest in {worst.steps} steps: loss {worst.loss:.1e}, norm {worst.norm:.1e}, "
        f"weights {worst.moved:.1e} of their movement."
    )
    return int(not (worst.loss < MOST_LOSS and worst.moved < MOST_MOVED))


def _runs_here(case: Case) -> bool:
    compiled = case.set.get("train.compile") == "on"
    return not compiled or mx.metal.is_available() or shutil.which("g++") is not None


def compare(case: Case, place: Path) -> Difference:
    """Train a case on both sides."""
    place = Path(tempfile.mkdtemp(dir=place))
    plain = peft_run.make_model(case.family, place / "plain")
    model = _quantised(plain, place / "model", case.bits) if case.bits else plain
    write_rows(place / "data", system=case.system)
    profile = parse(PROFILE, "against_peft")
    for name, value in {"model.repo": str(model), "data.path": str(place / "data")}.items():
        profile = replace_setting(profile, name, value)
    for name, value in case.set.items():
        profile = replace_setting(profile, name, value)
    folder = new_run.prepare(profile, name="run", profile_name="test", folder=place / "runs")
    state = finish(folder)
    first, last = folder.checkpoints()[0], folder.checkpoints()[-1]
    assert first.step == 0, "our step 0 was not saved"
    begin, ours = _weights(first.path), _weights(last.path)
    base = dequantised(model) if case.bits else {}
    theirs = peft_run.train(plain, base, profile, begin, place / "data")
    assert len(theirs.losses) == len(state.loss) == last.step
    losses = [abs(a - b) for (_, a), b in zip(state.loss, theirs.losses, strict=True)]
    norms = [abs(a - b) / b for (_, a), b in zip(state.grad_norm, theirs.norms, strict=True)]
    assert ours.keys() == theirs.weights.keys(), set(ours) ^ set(theirs.weights)
    return Difference(last.step, max(losses), max(norms), _moved(begin, ours, theirs.weights))


def _moved(begin: peft_run.Weights, ours: peft_run.Weights, theirs: peft_run.Weights) -> float:
    return max(
        float(np.linalg.norm(ours[name] - theirs[name]) / np.linalg.norm(ours[name] - begin[name]))
        for name in ours
    )


def _weights(checkpoint: Path) -> peft_run.Weights:
    arrays: Any = mx.load(str(checkpoint / "adapters.safetensors"))
    return {name: np.array(value) for name, value in arrays.items()}


def _quantised(model: Path, folder: Path, bits: int) -> Path:
    from mlx_lm import convert

    with contextlib.redirect_stdout(sys.stderr):  # it talks
        convert(
            str(model), str(folder), quantize=True, q_bits=bits, q_group_size=32, dtype="float32"
        )
    return folder


def dequantised(model: Path) -> peft_run.Weights:
    """Give the numbers that a quantised model computes with, by the names of its float one."""
    arrays: Any = mx.load(str(model / "model.safetensors"))
    how = json.loads((model / "config.json").read_text())["quantization"]
    return {
        name: np.array(
            mx.dequantize(
                value,
                arrays[name.replace("weight", "scales")],
                arrays[name.replace("weight", "biases")],
                group_size=how["group_size"],
                bits=how["bits"],
            )
        )
        for name, value in arrays.items()
        if value.dtype == mx.uint32
    }


def write_rows(folder: Path, *, system: bool) -> None:
    """Write 40 conversations of one and two answers, of different lengths.

    system: each begins with the same system prompt.
    """
    folder.mkdir()
    dice = random.Random(3)
    words = ["golo", "Faro", "clube", "leão", "jogo", "estádio", "época", "sócio"]
    rows = []
    for _ in range(40):
        messages = [{"role": "system", "content": "Responde numa frase curta."}] * system
        for _ in range(dice.choice((1, 1, 2))):
            for role, most in (("user", 3), ("assistant", 6)):
                text = " ".join(dice.choice(words) for _ in range(dice.randint(1, most)))
                messages.append({"role": role, "content": text})
        rows.append(json.dumps({"messages": messages}))
    (folder / "train.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
