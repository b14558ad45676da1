"""Train with mlx_lm.lora's own code and print what was done when, as a line of JSON.

    python -m farense_worker.verify.mlx_lm_run SETTINGS.json

It is what `mlx_lm.lora` does, from its imports to its training loop; only its reports are taken
from the callback that it offers, because its command line prints no times and few decimals.
"""

from __future__ import annotations

from farense_worker.process.output import claim_stdout

RECORD = claim_stdout()  # mlx_lm draws tables there

import json  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
import types  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import mlx.core as mx  # noqa: E402
import numpy as np  # noqa: E402
from mlx_lm.lora import CONFIG_DEFAULTS, train_model  # noqa: E402
from mlx_lm.tuner.callbacks import TrainingCallback  # noqa: E402
from mlx_lm.tuner.datasets import load_dataset  # noqa: E402
from mlx_lm.utils import load  # noqa: E402

from farense_worker.protocol.processes import leash  # noqa: E402

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes


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
    """Train, and print {"steps": [[when, seconds, loss], ...], "validations", "peak", "rss",
    "tokens": of the training rows, "labels": of the validation rows}.
    """
    leash.follow_parent()
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    args = types.SimpleNamespace(**CONFIG_DEFAULTS | given)
    np.random.seed(args.seed)
    model, tokenizer = load(args.model)
    train_set, valid_set, _test = load_dataset(args, tokenizer)
    times = Times()
    Path(args.adapter_path).mkdir(parents=True, exist_ok=True)
    train_model(args, model, train_set, valid_set, times)
    peak = mx.get_peak_memory()
    process = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
    rows = [train_set.process(train_set[at]) for at in range(len(train_set))]
    valid = [valid_set.process(valid_set[at]) for at in range(len(valid_set))]
    longest = args.max_seq_length
    told = {
        "steps": times.steps,
        "validations": times.validations,
        "peak": peak,
        "rss": process,
        "tokens": sum(min(len(tokens), longest) for tokens, _offset in rows),
        "labels": sum(min(len(tokens), longest) - max(1, offset) for tokens, offset in valid),
    }
    os.write(RECORD, json.dumps(told).encode() + b"\n")


if __name__ == "__main__":
    main()
