"""What the forecast says of a run, and what the run takes.

    python benchmarks/forecast/forecast.py --runs 48 --csv docs/forecast-runs.csv --plot FILE.png

--runs: real runs of random shapes and settings by real workers, three steps each; none was used for
the fit. Predicted by `farense-tui estimate`'s own functions, before the run; measured is MLX's peak
over the whole run. Peak memory does not depend on what else the machine does.
The fit itself is benchmarks/forecast/fit.py; seconds a step: benchmarks/forecast/times.py.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import importlib
import json
import random
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import mlx.core as mx
import mlx.nn as nn
import psutil
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Profile
from mlx.utils import tree_flatten

from farense_tui.engine.forecast import gather
from tests import micro_model
from tests.real_runs import RunMaker, finish

ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
KEYS = [
    ALL,
    ALL,
    ("q_proj", "v_proj"),
    ("q_proj", "k_proj", "v_proj", "o_proj"),
    ("gate_proj", "up_proj", "down_proj"),
    ("o_proj",),
    ("down_proj",),
]
LEAST = 8 << 20  # of what comes and goes: below, arrays of a few bytes count that no model counts


@dataclass(frozen=True)
class Sizes:
    """A model to make."""

    kind: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocabulary: int
    bits: int
    half: bool

    @property
    def weights(self) -> int:
        """Of a layer."""
        attention = 2 * self.hidden * self.head_dim * (self.heads + self.kv_heads)
        return attention + 3 * self.hidden * self.ffn


# ---- what is drawn ------------------------------------------------------------------------------


def draw_sizes(dice: random.Random, kinds: tuple[str, ...]) -> Sizes:
    """Draw a model."""
    head_dim, heads = dice.choice([16, 32, 64]), dice.choice([2, 4, 8, 12])
    hidden = 64 * max(2, round(heads * head_dim * dice.choice([1, 1, 1, 0.5]) / 64))
    bits = 4 if dice.random() < 0.2 else 0
    if bits and heads * head_dim % 64:
        heads, head_dim = 4, 16
    half = bits > 0 and dice.random() < 0.3
    return Sizes(
        kind=dice.choice(kinds),
        layers=dice.randint(2, 4 if bits else 10),
        hidden=hidden,
        heads=heads,
        kv_heads=dice.choice([h for h in (1, 2, 4, 8, 12) if heads % h == 0]),
        head_dim=head_dim,
        ffn=64 * max(2, round(hidden * dice.uniform(1.5, 5) / 64)),
        vocabulary=dice.choice([512, 2048] if bits else [512, 2048, 8192, 32000, 64000]),
        bits=bits,
        half=half,
    )


def draw_settings(dice: random.Random, sizes: Sizes, mode: str) -> dict[str, Any]:
    """Draw the settings that memory depends on."""
    return {
        "lora.rank": dice.choice([1, 4, 8, 16, 32, 64]),
        "lora.keys": dice.choice(KEYS),
        "lora.num_layers": dice.randint(1, sizes.layers) if dice.random() < 0.6 else -1,
        "lora.dropout": 0.1 if dice.random() < 0.15 else 0.0,
        "train.grad_checkpoint": dice.random() < 0.45,
        "train.optimizer": dice.choice(["adam", "adam", "adamw", "sgd", "adafactor", "muon"]),
        "train.compile": "on" if mode == "compiled" else "off",
    }


def affordable(sizes: Sizes, rows: int, width: int) -> tuple[int, int]:
    """Cut a micro-batch down to a second or two of this machine's time.

    4-bit and 16-bit products do not go through the BLAS: 3 to 7 GFLOP/s.
    """
    most = (4e7 if sizes.half else 6e8) if sizes.bits else 2e10
    while rows * width * sizes.weights * sizes.layers * 6 > most and rows > 1:
        rows -= 1
    while rows * width * sizes.weights * sizes.layers * 6 > most and width > 16:
        width = max(16, width // 16 * 8)
    return rows, width


def make_model(sizes: Sizes, folder: Path) -> Path:
    """Write a model with random weights and a tokenizer of bytes."""
    micro_model.make(folder)
    module: Any = importlib.import_module(f"mlx_lm.models.{sizes.kind}")
    config = json.loads((folder / "config.json").read_text()) | {
        "model_type": sizes.kind,
        "hidden_size": sizes.hidden,
        "num_hidden_layers": sizes.layers,
        "intermediate_size": sizes.ffn,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "head_dim": sizes.head_dim,
        "vocab_size": sizes.vocabulary,
        "rope_theta": 10000.0,
        "max_position_embeddings": 1024,
    }
    model = module.Model(module.ModelArgs.from_dict(config))
    model.set_dtype(mx.float16 if sizes.half else mx.float32)
    if sizes.bits:
        nn.quantize(model, group_size=64, bits=sizes.bits)
        config["quantization"] = {"group_size": 64, "bits": sizes.bits}
    mx.eval(model.parameters())
    mx.save_safetensors(str(folder / "model.safetensors"), dict(tree_flatten(model.parameters())))
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def make_data(dice: random.Random, rows: int, longest: int, folder: Path) -> Path:
    """Write chats, most of them short, of letters: a token each."""
    folder.mkdir(parents=True)
    lines = []
    for _ in range(rows):
        size = max(6, min(longest - 6, int(dice.lognormvariate(0, 0.7) * longest / 2)))
        question = max(1, int(size * dice.uniform(0.1, 0.7)))
        turns = [("user", "a" * question), ("assistant", "b" * max(1, size - question))]
        messages = [{"role": role, "content": text} for role, text in turns]
        lines.append(json.dumps({"messages": messages}))
    (folder / "train.jsonl").write_text("\n".join(lines) + "\n")
    return folder


# ---- real runs ----------------------------------------------------------------------------------


def one_run(
    dice: random.Random, place: Path, mode: str, kinds: tuple[str, ...]
) -> dict[str, Any] | None:
    """Forecast a run, and run it; None for one that takes next to nothing."""
    kind = dice.choice(kinds)
    sizes = draw_sizes(dice, (kind,))
    if kind == "qwen2":  # its heads take the whole width
        sizes = replace(sizes, head_dim=sizes.hidden // sizes.heads)
    batch, accumulation = dice.choice([1, 2, 3, 4, 6]), dice.choice([1, 2, 3])
    batch, longest = affordable(sizes, batch, 8 * dice.randint(4, 40))
    settings = draw_settings(dice, sizes, mode) | {
        "train.batch_size": batch,
        "train.grad_accumulation": accumulation,
        "train.max_seq_length": longest,
        "train.mask_prompt": dice.random() < 0.6,
        "train.epochs": 2 if dice.random() < 0.5 else 1,
        "train.rollbacks": 0,
        "report.eval_every": 1000,
        "checkpoint.every": 1000,
    }
    model = make_model(sizes, place / "model")
    data = make_data(dice, 3 * batch * accumulation, longest, place / "data")
    make = RunMaker(place / "runs", model, data)
    folder = make("run", **{name.replace(".", "__"): value for name, value in settings.items()})
    config = folder.read_config()
    profile = Profile(**{name: getattr(config, name) for name in Profile.__struct_fields__})
    known = gather.facts(profile)
    said = gather.estimate(profile, known, disk=place).forecast
    assert said is not None
    if said.peak - said.parts.resident < LEAST:
        return None
    with largest(folder) as process:
        state = finish(folder)
    measured = peak_of(folder.events)
    return {
        "mode": mode,
        **{name: getattr(sizes, name) for name in Sizes.__dataclass_fields__},
        **{name.partition(".")[2]: value for name, value in settings.items()},
        "keys": " ".join(key.removesuffix("_proj") for key in settings["lora.keys"]),
        "rows": said.batch.rows,
        "width": said.batch.width,
        "labels": said.batch.labels,
        "stored_trunk": said.trunk_disk > 0,
        "steps": state.step,
        "resident": said.parts.resident,
        "predicted": said.peak,
        "measured": measured,
        "error": said.peak / measured - 1,
        "process_predicted": said.process,
        "process_measured": process[0],
        "process_error": said.process / process[0] - 1,
    }


@contextlib.contextmanager
def largest(folder: RunFolder) -> Iterator[list[int]]:
    """Look at the worker's memory fifty times a second meanwhile; the most, in bytes."""
    most, over = [0], threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            with contextlib.suppress(psutil.Error):  # it is there no more
                if worker := folder.pid():
                    most[0] = max(most[0], psutil.Process(worker).memory_info().rss)

    looker = threading.Thread(target=look)
    looker.start()
    try:
        yield most
    finally:
        over.set()
        looker.join()


def peak_of(events: Path) -> int:
    """MLX's peak over a run, from its record."""
    lines = map(json.loads, events.read_text().splitlines())
    return max(int(line["peak_memory"]) for line in lines if line["type"] == "step")


def runs(number: int, seed: int, table: Path | None, plot: Path | None) -> None:
    """Predict and run; every run is a line."""
    found: list[dict[str, Any]] = []
    at = 0
    while len(found) < number:
        at += 1
        dice = random.Random(f"{seed}-{at}")
        mode = "compiled" if len(found) % 3 == 2 else "eager"
        with tempfile.TemporaryDirectory() as name:
            run = one_run(dice, Path(name), mode, ("llama", "llama", "qwen2", "qwen3"))
        if run is None:
            continue
        found.append(run)
        print(
            f"{len(found):3}/{number} {mode:8} {run['kind']:6} "
            f"predicted {run['predicted'] / 1e6:8.1f} measured {run['measured'] / 1e6:8.1f} MB  "
            f"{run['error']:+.1%}  process {run['process_predicted'] / 1e6:8.1f} and "
            f"{run['process_measured'] / 1e6:8.1f} MB  {run['process_error']:+.1%}",
            flush=True,
        )
        if table:
            write(found, table)
    summary("all", found)
    for mode in ("eager", "compiled"):
        summary(mode, [run for run in found if run["mode"] == mode])
    if plot:
        draw_plot(found, plot)


def summary(name: str, found: list[dict[str, Any]]) -> None:
    """Print the errors: of the peak, and of what it is above what stays."""
    if not found:
        return
    errors = sorted(abs(run["error"]) for run in found)
    above = sorted(
        abs(run["predicted"] - run["measured"]) / max(1, run["measured"] - run["resident"])
        for run in found
    )
    print(
        f"{name}: {len(found)} runs, error of the peak: median {statistics.median(errors):.1%}, "
        f"p90 {errors[int(0.9 * (len(errors) - 1))]:.1%}, worst {errors[-1]:.1%}, "
        f"worst too low {min(run['error'] for run in found):+.1%}; "
        f"above weights, adapter and optimizer: median {statistics.median(above):.1%}"
    )
    errors = sorted(run["process_error"] for run in found)
    size = sorted(map(abs, errors))
    print(
        f"{name}: error of the process: median {statistics.median(size):.1%}, "
        f"p90 {size[int(0.9 * (len(size) - 1))]:.1%}, from {errors[0]:+.1%} to {errors[-1]:+.1%}"
    )


def write(found: list[dict[str, Any]], path: Path) -> None:
    """Write the table."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(found[0]), lineterminator="\n")
        writer.writeheader()
        for run in found:
            short = {name: f"{run[name]:.4f}" for name in ("error", "process_error")}
            writer.writerow(run | short)


def draw_plot(found: list[dict[str, Any]], path: Path) -> None:
    """Predicted over measured, both in MiB, and the error over the measured peak."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for mode, sign, colour in (("eager", "o", "#d07a10"), ("compiled", "^", "#3b6ea5")):
        chosen = [run for run in found if run["mode"] == mode]
        measured = [run["measured"] / (1 << 20) for run in chosen]
        left.plot(measured, [run["predicted"] / (1 << 20) for run in chosen], sign, color=colour,
                  markersize=5, alpha=0.75, label=f"{mode} ({len(chosen)} runs)")  # fmt: skip
        right.plot(measured, [100 * run["error"] for run in chosen], sign, color=colour,
                   markersize=5, alpha=0.75)  # fmt: skip
    most = max(max(run["measured"], run["predicted"]) for run in found) / (1 << 20)
    least = min(min(run["measured"], run["predicted"]) for run in found) / (1 << 20)
    left.plot([least, most], [least, most], color="#888", linewidth=1)
    left.set(xscale="log", yscale="log", xlabel="measured peak, MiB", ylabel="predicted peak, MiB")
    left.legend(frameon=False)
    right.axhspan(-10, 10, color="#888", alpha=0.15, linewidth=0)
    right.axhline(0, color="#888", linewidth=1)
    right.set(xscale="log", xlabel="measured peak, MiB", ylabel="error of the forecast, %")
    for axis in (left.xaxis, left.yaxis, right.xaxis):
        axis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(mpl.ticker.ScalarFormatter())
        axis.set_minor_locator(mpl.ticker.NullLocator())
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    runs(args.runs, args.seed, args.csv, args.plot)


if __name__ == "__main__":
    main()
