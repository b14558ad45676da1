"""Train with mlx_lm.lora's own `train_model` and print its losses as a JSON list, last line.

    python benchmarks/mlx_lm_run.py MODEL DATA ADAPTER_DIR ITERS [RESUME_FILE]

The command line of mlx_lm.lora prints losses with three decimals; its callback gives all of them.
"""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
from mlx_lm.lora import CONFIG_DEFAULTS, train_model
from mlx_lm.tuner.callbacks import TrainingCallback
from mlx_lm.tuner.datasets import load_dataset
from mlx_lm.utils import load


class Losses(TrainingCallback):
    """Keeps every training loss."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def on_train_loss_report(self, train_info: dict[str, Any]) -> None:
        self.values.append(train_info["train_loss"])

    def on_val_loss_report(self, val_info: dict[str, Any]) -> None:
        """Validations are not compared."""


def main() -> None:
    model_path, data, adapters, iters, *resume = sys.argv[1:]
    args = types.SimpleNamespace(
        **CONFIG_DEFAULTS
        | {
            "model": model_path,
            "train": True,
            "data": data,
            "iters": int(iters),
            "batch_size": 8,
            "learning_rate": 1e-3,
            "num_layers": 2,
            "mask_prompt": True,
            "steps_per_report": 1,
            "steps_per_eval": 10_000,
            "val_batches": 1,
            "save_every": 10_000,
            "adapter_path": adapters,
            "resume_adapter_file": resume[0] if resume and resume[0] else None,
            "lora_parameters": {"rank": 4, "scale": 16.0, "dropout": 0.0},
        }
    )
    np.random.seed(args.seed)
    model, tokenizer = load(model_path)
    train_set, valid_set, _ = load_dataset(args, tokenizer)
    losses = Losses()
    Path(adapters).mkdir(parents=True, exist_ok=True)
    train_model(args, model, train_set, valid_set, losses)
    print(json.dumps(losses.values))


if __name__ == "__main__":
    main()
