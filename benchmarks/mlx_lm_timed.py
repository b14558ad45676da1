"""Train with mlx_lm.lora's own code and print when what was done, as JSON in the last line.

    python benchmarks/mlx_lm_timed.py SETTINGS.json

It is what `mlx_lm.lora` does, from its imports to its training loop; only its reports are taken
from the callback that it offers, because its command line prints no times.
"""

from __future__ import annotations

import json
import sys
import time
import types
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_lm.lora import CONFIG_DEFAULTS, train_model
from mlx_lm.tuner.callbacks import TrainingCallback
from mlx_lm.tuner.datasets import load_dataset
from mlx_lm.utils import load


class Times(TrainingCallback):
    """Keeps when each step and each validation was done, in Unix seconds."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, float, float]] = []
        self.validations: list[tuple[float, float]] = []

    def on_train_loss_report(self, train_info: dict[str, Any]) -> None:
        """Keep when, how long it took and its loss."""
        seconds = 1 / train_info["iterations_per_second"]
        self.steps.append((time.time(), seconds, train_info["train_loss"]))

    def on_val_loss_report(self, val_info: dict[str, Any]) -> None:
        self.validations.append((time.time(), val_info["val_loss"]))


def main() -> None:
    given = json.loads(Path(sys.argv[1]).read_text())
    args = types.SimpleNamespace(**CONFIG_DEFAULTS | given)
    np.random.seed(args.seed)
    model, tokenizer = load(args.model)
    train_set, valid_set, _ = load_dataset(args, tokenizer)
    times = Times()
    Path(args.adapter_path).mkdir(parents=True, exist_ok=True)
    train_model(args, model, train_set, valid_set, times)
    peak = mx.get_peak_memory()
    print(json.dumps({"steps": times.steps, "validations": times.validations, "peak": peak}))


if __name__ == "__main__":
    main()
