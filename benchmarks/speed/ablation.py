"""What each part of the trainer brings: arms that differ in one part, in turn in one process.

    python benchmarks/speed/ablation.py [--rounds N] [--layers N] [--trained K] [--vocabulary V]
                                  [--hidden H] [--mask-prompt]

All arms take the same steps over the same examples (those of throughput.py) from the
same weights; the first is mlx_lm's own batching, loss and compiled step. Printed are, for each
arm, how many times more steps it makes in the same time than mlx_lm, by the clock and by the
processor time (which other work on the machine disturbs less), and its peak memory over the
weights as a fraction of mlx_lm's.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from farense_worker.data import batching
from farense_worker.data.batching import MicroBatch
from farense_worker.data.examples import Builder, Examples
from farense_worker.data.labels import Encoded
from farense_worker.loop.activations import Stored
from farense_worker.model import loss, split_forward
from farense_worker.model.split_forward import Anatomy
from farense_worker.protocol.plan import steps as planned
from mlx_lm.lora import CONFIG_DEFAULTS
from mlx_lm.tuner.datasets import CacheDataset, load_dataset
from mlx_lm.tuner.trainer import default_loss, iterate_batches
from mlx_lm.tuner.utils import linear_to_lora_layers
from mlx_lm.utils import load

from benchmarks.common import reference_machine
from benchmarks.speed.throughput import EXAMPLES, RATE, write_chats
from farense_tui.engine.verify.speed import RANK, SCALE, full_names
from tests import micro_model


def main() -> None:
    """Measure and print."""
    args = _arguments()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        model = micro_model.make(
            place / "model",
            layers=args.layers,
            hidden=args.hidden,
            heads=args.hidden // 32,
            vocabulary=args.vocabulary,
        )
        write_chats(place / "data")
        print(
            f"{reference_machine()}; {args.layers} layers, {args.trained} trained, hidden "
            f"{args.hidden}, vocabulary {args.vocabulary}, prompts "
            f"{'masked' if args.mask_prompt else 'trained on'}"
        )
        bench = Bench(model, place, args)
        arms: dict[str, Iterator[None]] = {
            "mlx_lm": bench.theirs(),
            "exact, padded to the longest": bench.ours(),
            "+ micro-batches by length": bench.ours(cut=True),
            "+ loss without logits": bench.ours(cut=True, head=True),
            "+ frozen trunk cached": bench.ours(cut=True, head=True, cached=True),
            "+ compiled": bench.ours(cut=True, head=True, cached=True, compiled=True),
        }
        ratios = measure(arms, args.rounds, args.steps)
        if args.plot:
            plot(ratios, args.plot)


def measure(arms: dict[str, Iterator[None]], rounds: int, count: int) -> dict[str, list[float]]:
    """Go round the arms; print each arm's ratios to the first, and give them by the clock."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in arms}
    peaks = dict.fromkeys(arms, 0)
    for at in range(rounds + 1):
        for name, steps in arms.items():
            mx.clear_cache()
            mx.reset_peak_memory()
            before = mx.get_active_memory()
            began, cpu = time.perf_counter(), time.process_time()
            for _ in range(count):
                next(steps)
            took = (time.perf_counter() - began, time.process_time() - cpu)
            if at:  # the first round warms up: kernels are compiled, shapes traced
                seconds[name].append(took)
                peaks[name] = max(peaks[name], mx.get_peak_memory() - before)
    first = next(iter(arms))
    ratios = {}
    for name, taken in seconds.items():
        clock = [a[0] / b[0] for a, b in zip(seconds[first], taken, strict=True)]
        ratios[name] = clock
        cpu_time = [a[1] / b[1] for a, b in zip(seconds[first], taken, strict=True)]
        print(
            f"{name:32} {_spread(clock)} by the clock  {_spread(cpu_time)} by processor time  "
            f"memory {peaks[name] / peaks[first]:.2f} ({peaks[name] / 1e6:.1f} MB)"
        )
    return ratios


def plot(ratios: dict[str, list[float]], path: Path) -> None:
    """Draw the medians as bars, with the lowest and the highest as whiskers."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    names = list(ratios)[::-1]
    middle = [statistics.median(ratios[name]) for name in names]
    low = [m - min(ratios[name]) for m, name in zip(middle, names, strict=True)]
    high = [max(ratios[name]) - m for m, name in zip(middle, names, strict=True)]
    figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    axes.barh(names, middle, xerr=(low, high), color="#2f6f9f", ecolor="#555555", capsize=3)
    axes.axvline(1, color="#999999", linewidth=0.8)
    axes.set_xlabel("steps in the same time, mlx_lm.lora = 1")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


class Bench:
    """The data, and what makes an arm."""

    def __init__(self, model: Path, place: Path, args: argparse.Namespace) -> None:
        """Tokenise as mlx_lm does, and take its tokens for ours as well."""
        self._model = model
        self._args = args
        _, tokenizer = load(str(model))
        asked = {"data": str(place / "data"), "mask_prompt": args.mask_prompt, "train": True}
        self._set, _, _ = load_dataset(SimpleNamespace(**CONFIG_DEFAULTS | asked), tokenizer)
        builder = Builder(512)
        for row in range(len(self._set)):
            tokens, offset = self._set.process(self._set[row])
            builder.add(Encoded(tokens, ((max(1, offset), len(tokens)),)))
        self._examples: Examples = builder.build()

    def theirs(self) -> Iterator[None]:
        """mlx_lm's batches, loss and step, as in its trainer; each `next` is an update."""
        model, optimizer = self._start()
        function = nn.value_and_grad(model, default_loss)
        state = [model.state, optimizer.state, mx.random.state]

        @partial(mx.compile, inputs=state, outputs=state)
        def step(batch: Any) -> Any:
            (value, tokens), gradients = function(model, *batch)
            optimizer.update(model, gradients)
            return value, tokens

        np.random.seed(0)
        for batch in iterate_batches(CacheDataset(self._set), self._args.batch, 512, loop=True):
            mx.eval(state, *step(batch))
            mx.clear_cache()
            yield

    def ours(
        self, *, cut: bool = False, head: bool = False, cached: bool = False, compiled: bool = False
    ) -> Iterator[None]:
        """This trainer's step with some of its parts; each `next` is an update."""
        model, optimizer = self._start()
        parts = split_forward.find(model)
        assert parts is not None
        start = self._args.layers - self._args.trained
        stored = self._trunk(parts, start) if cached else None
        label_loss = loss.LabelLoss(model, parts if head or cached else None, start)
        function = loss.loss_and_gradient(model, label_loss, compiled)
        batch_size = self._args.batch
        for step in range(1, 1_000_000):
            at = planned.position(step, EXAMPLES // batch_size)
            rows = planned.draw(at, EXAMPLES, batch_size, 0)
            weight = mx.array(1 / int(self._examples.labels[rows].sum()), mx.float32)
            total = None
            for batch in self._batches(rows, cut=cut, few_shapes=compiled):
                arrays = [mx.array(each) for each in batch.arrays]
                if stored:
                    arrays.append(stored.read(batch.rows, batch.inputs.shape[1]))
                value, gradients = function(weight, *arrays)
                total = loss.add(total, gradients)
                mx.eval(value, total)
            optimizer.update(model, total)
            mx.eval(model.trainable_parameters(), optimizer.state)
            yield

    def _batches(self, rows: list[int], *, cut: bool, few_shapes: bool) -> list[MicroBatch]:
        if cut:
            return batching.batches(
                self._examples, rows, self._args.batch * 512, few_shapes=few_shapes
            )
        return [batching.collate(self._examples, rows, few_shapes=few_shapes)]

    def _start(self) -> tuple[nn.Module, optim.Optimizer]:
        model, _ = load(str(self._model))
        model.freeze()
        mx.random.seed(0)
        keys = {"rank": RANK, "scale": SCALE, "dropout": 0.0, "keys": full_names()}
        linear_to_lora_layers(model, self._args.trained, keys)
        optimizer = optim.Adam(RATE)
        optimizer.init(model.trainable_parameters())
        mx.eval(model.parameters(), optimizer.state)
        return model, optimizer

    def _trunk(self, parts: Anatomy, start: int) -> Stored:
        """Activations of all examples, in memory; filled as the steps come to them."""
        tokens = int(self._examples.bounds[-1]) - len(self._examples)
        values = np.zeros((tokens, self._args.hidden), np.float32)
        stored = Stored(self._examples, values, mx.float32)
        for row in range(len(self._examples)):
            batch = batching.collate(self._examples, [row])
            stored.write((row,), parts.trunk(mx.array(batch.inputs), None, 0, start))
        parts.release(0, start)
        return stored


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):5.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=24, help="of an arm in a round")
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--trained", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--vocabulary", type=int, default=509)
    parser.add_argument("--batch", type=int, default=4, help="examples a step")
    parser.add_argument("--mask-prompt", action="store_true")
    parser.add_argument("--plot", type=Path, help="PNG file to draw the ratios into")
    return parser.parse_args()


if __name__ == "__main__":
    main()
