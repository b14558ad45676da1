"""What mlx_lm.lora does and what this trainer does, on the same data, model and seed.

    python benchmarks/exactness.py

Three comparisons, each measured by running both sides:
1. accumulation: the gradient of a window of four examples, accumulated one by one, against the
   gradient of the four in one batch with the token mean over all;
2. examples that an epoch leaves out;
3. the loss after a resume against the loss of the run that was not interrupted.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from farense_worker.data import batching
from farense_worker.data.prepare import Examples
from farense_worker.model import loss, split_forward
from farense_worker.protocol.plan import steps
from mlx.utils import tree_flatten, tree_map
from mlx_lm.tuner.datasets import CacheDataset, ChatDataset
from mlx_lm.tuner.trainer import default_loss, iterate_batches
from mlx_lm.tuner.utils import linear_to_lora_layers
from mlx_lm.utils import load

from benchmarks.kill_and_resume import reference_machine
from farense_tui.engine.models.assets import embedded_data, embedded_model
from farense_tui.engine.runs import supervisor
from tests.real_runs import RunMaker, finish, state_of, until_state

WINDOWS = 30


def main() -> None:
    """Print the three comparisons."""
    print(f"{reference_machine()}, MLX {version('mlx')}; model and data: the embedded ones\n")
    accumulation()
    with tempfile.TemporaryDirectory() as name:
        left_out(Path(name))
        resume(Path(name))


def accumulation() -> None:
    """Relative L2 error of the accumulated gradient, over random windows of four examples."""
    model, tokenizer = load(str(embedded_model()))
    model.freeze()
    mx.random.seed(0)
    keys = ["self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj"]
    linear_to_lora_layers(
        model, len(model.layers), {"rank": 8, "scale": 2.0, "dropout": 0.0, "keys": keys}
    )
    model.load_weights(
        [
            (name, 0.02 * mx.random.normal(value.shape))
            for name, value in tree_flatten(model.trainable_parameters())
        ],
        strict=False,
    )
    rows = read_rows()
    dataset = ChatDataset(rows, tokenizer, mask_prompt=True)
    ours, theirs = [], []
    dice = random.Random(0)
    for _ in range(WINDOWS):
        window = [dataset.process(rows[i]) for i in dice.sample(range(len(rows)), 4)]
        exact = our_gradient(model, window, 4)
        ours.append(distance(our_gradient(model, window, 1), exact))
        theirs.append(distance(their_gradient(model, window), exact))
    print(f"1. gradient of {WINDOWS} windows of 4 examples, accumulated 1 x 4, relative error")
    for name, errors in (("mlx_lm.lora", theirs), ("farense-tui", ours)):
        print(f"   {name}: median {statistics.median(errors):.2g}, largest {max(errors):.2g}")


def our_gradient(model: nn.Module, window: list, size: int) -> dict[str, mx.array]:
    """Accumulate as worker/farense_worker/loop/train.py does."""
    lengths = [len(tokens) for tokens, _ in window]
    examples = Examples(
        tokens=np.concatenate([np.array(tokens, np.int32) for tokens, _ in window]),
        bounds=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        is_label=np.concatenate(
            [np.arange(len(tokens)) >= max(1, offset) for tokens, offset in window]
        ),
        truncated=0,
    )
    label_loss = loss.LabelLoss(model, split_forward.find(model))
    function = loss.loss_and_gradient(model, label_loss, compiled=False)
    weight = mx.array(1 / int(examples.labels.sum()), mx.float32)
    total = None
    for start in range(0, len(window), size):
        batch = batching.collate(examples, range(start, start + size))
        _, gradients = function(weight, *(mx.array(each) for each in batch.arrays))
        total = loss.add(total, gradients)
    return dict(tree_flatten(total))


def their_gradient(model: nn.Module, window: list) -> dict[str, mx.array]:
    """Accumulate as mlx_lm/tuner/trainer.py does: the mean of the micro-batches' means."""
    function = nn.value_and_grad(model, default_loss)
    total = None
    for example in window:
        ((batch, lengths),) = iterate_batches([example], 1, 2048)
        _, gradients = function(model, batch, lengths)
        total = gradients if total is None else tree_map(mx.add, total, gradients)
    return dict(tree_flatten(tree_map(lambda g: g / len(window), total)))


def distance(a: dict[str, mx.array], b: dict[str, mx.array]) -> float:
    """Relative L2 distance."""
    far, size = (
        mx.array([(x**2).sum() for x in of]).sum()
        for of in ([a[k] - b[k] for k in a], list(b.values()))
    )
    return float(np.sqrt(np.array(far / size)))


def left_out(place: Path) -> None:
    """Count examples that one epoch does not train on, at batch 4 with 2 x accumulation."""
    rows = read_rows()[:603]
    _, tokenizer = load(str(embedded_model()))
    dataset = CacheDataset(ChatDataset(rows, tokenizer, mask_prompt=True))
    batches = sum(1 for _ in iterate_batches(dataset, 4, 2048))
    updated = batches // 2 * 2 * 4  # the update comes after every second batch, and only then
    drawn = {
        row
        for index in range(steps.per_epoch(len(rows), 8))
        for row in steps.draw(steps.Position(0, index), len(rows), 8, 0)
    }
    print(f"\n2. examples without an update in an epoch of {len(rows)} (batch 4, accumulation 2)")
    print(f"   mlx_lm.lora: {len(rows) - updated}\n   farense-tui: {len(rows) - len(drawn)}")


def resume(place: Path) -> None:
    """Losses after a stop at half way, against those of the run that went through."""
    small = place / "data"
    small.mkdir()
    for split, count in (("train", 160), ("valid", 16)):
        lines = (embedded_data() / f"{split}.jsonl").read_text().splitlines()[:count]
        (small / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    print("\n3. training loss after a resume at step 20 of 40, against going through")
    theirs = mlx_lm_losses(place, small)
    worst = max(abs(a - b) for a, b in theirs)
    print(f"   mlx_lm.lora: largest difference {worst:.3g} over {len(theirs)} steps")
    make = RunMaker(place / "runs", embedded_model(), small)
    settings = {"train__max_seq_length": 256, "checkpoint__every": 20, "report__eval_every": 1000}
    straight = finish(make("straight", **settings, train__epochs=2))
    folder = make("resumed", **settings, train__epochs=2)
    worker = supervisor.launch(folder)
    until_state(worker, lambda state: state.step >= 25)
    worker.process.kill()
    worker.wait()
    finish(folder)
    pairs = list(zip(straight.loss, state_of(folder).loss, strict=True))[20:]
    worst = max(abs(a[1] - b[1]) for a, b in pairs)
    print(f"   farense-tui: largest difference {worst:.3g} over {len(pairs)} steps")


def mlx_lm_losses(place: Path, data: Path) -> list[tuple[float, float]]:
    """Train 40 iterations with mlx_lm.lora, and 20 + 20 with its resume; the losses in pairs."""
    script = Path(__file__).with_name("mlx_lm_run.py")
    run = partial(subprocess.run, check=True, capture_output=True, text=True)
    common = [sys.executable, str(script), str(embedded_model()), str(data)]
    straight = json.loads(run([*common, str(place / "a"), "40", ""]).stdout.splitlines()[-1])
    run([*common, str(place / "b"), "20", ""])
    resumed = json.loads(
        run(
            [*common, str(place / "b"), "20", str(place / "b/adapters.safetensors")]
        ).stdout.splitlines()[-1]
    )
    return list(zip(straight[20:], resumed, strict=True))


def read_rows() -> list[dict]:
    """Read the embedded training rows."""
    lines = (embedded_data() / "train.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


if __name__ == "__main__":
    main()
