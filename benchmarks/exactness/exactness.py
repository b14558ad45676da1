"""What mlx_lm.lora does and what this trainer does, on the same data, model and seed.

    python benchmarks/exactness/exactness.py

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
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from farense_worker.protocol.plan import steps
from farense_worker.protocol.processes.programs import program
from farense_worker.protocol.settings.profile import replace_setting
from farense_worker.verify import mlx_lm_loss, subject
from mlx_lm.tuner.datasets import CacheDataset, ChatDataset
from mlx_lm.tuner.trainer import iterate_batches
from mlx_lm.utils import load

from benchmarks.common import reference_machine
from farense_tui.engine.forecast.gather import resolved
from farense_tui.engine.models.assets import embedded_data, embedded_model
from farense_tui.engine.profiles import catalogue
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
    profile = resolved(replace_setting(catalogue.get("demo"), "model.dtype", "float32"))
    found = subject.make(profile, 4)
    ours, theirs = [], []
    dice = random.Random(0)
    for _ in range(WINDOWS):
        window = found.with_rows(dice.sample(range(len(found.examples)), 4))
        _value, exact = window.of_step(window.ours())
        ours.append(subject.distance(window.of_step(window.ours(), 1)[1], exact))
        theirs.append(subject.distance(mlx_lm_loss.accumulated(window), exact))
    print(f"1. gradient of {WINDOWS} windows of 4 examples, accumulated 1 x 4, relative error")
    for name, errors in (("mlx_lm.lora", theirs), ("farense-tui", ours)):
        print(f"   {name}: median {statistics.median(errors):.2g}, largest {max(errors):.2g}")


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

    def losses(name: str, iters: int, resume: str | None = None) -> list[float]:
        settings = {
            "model": str(embedded_model()),
            "train": True,
            "data": str(data),
            "iters": iters,
            "batch_size": 8,
            "learning_rate": 1e-3,
            "num_layers": 2,
            "mask_prompt": True,
            "steps_per_report": 1,
            "steps_per_eval": 10_000,
            "val_batches": 1,
            "save_every": 10_000,
            "adapter_path": str(place / name),
            "resume_adapter_file": resume,
            "lora_parameters": {"rank": 4, "scale": 16.0, "dropout": 0.0},
        }
        file = place / f"{name}.json"
        file.write_text(json.dumps(settings))
        command = program("farense_worker.verify.mlx_lm_run", str(file))
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return [loss for _when, _seconds, loss in json.loads(done.stdout.splitlines()[-1])["steps"]]

    straight = losses("a", 40)
    losses("b", 20)
    resumed = losses("b", 20, str(place / "b/adapters.safetensors"))
    return list(zip(straight[20:], resumed, strict=True))


def read_rows() -> list[dict]:
    """Read the embedded training rows."""
    lines = (embedded_data() / "train.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


if __name__ == "__main__":
    main()
