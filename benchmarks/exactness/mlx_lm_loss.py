"""mlx_lm's own `evaluate` on a data set, with and without the token that it counts too much.

    python benchmarks/exactness/mlx_lm_loss.py MODEL ADAPTER DATA [FLOAT]     (FLOAT: of the base)

mlx_lm's `default_loss` takes the targets up to and with the one at a row's length, which is the
first of its padding: one token a row that is in no answer. `steps < lengths` leaves it out. Printed
as JSON: the loss as mlx_lm has it, the same without that token, and how many labels there are.
"""

from __future__ import annotations

import json
import sys
import types
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.tuner.datasets import CacheDataset, load_dataset
from mlx_lm.tuner.trainer import default_loss, evaluate
from mlx_lm.utils import load, load_adapters


def loss_of_labels(model: Any, batch: mx.array, lengths: mx.array) -> tuple[mx.array, mx.array]:
    """mlx_lm's default_loss without a row's first token of padding."""
    targets = batch[:, 1:]
    steps = mx.arange(1, targets.shape[1] + 1)
    mask = mx.logical_and(steps >= lengths[:, 0:1], steps < lengths[:, 1:])
    losses = nn.losses.cross_entropy(model(batch[:, :-1]).astype(mx.float32), targets) * mask
    count = mask.sum()
    return losses.sum() / count, count


def main() -> None:
    """Measure and print."""
    path, adapter, data, *dtype = sys.argv[1:]
    model, tokenizer = load(path)
    if dtype:  # the base alone: adapters stay in float32, as they were trained
        model.set_dtype(getattr(mx, dtype[0]))
    if adapter:
        load_adapters(model, adapter)
    settings = types.SimpleNamespace(data=data, mask_prompt=True, train=True, test=False)
    _train, valid, _test = load_dataset(settings, tokenizer)
    rows = CacheDataset(valid)
    labels = sum(
        len(tokens) - max(1, offset) for tokens, offset in (rows[i] for i in range(len(rows)))
    )
    found = {
        name: evaluate(model, rows, batch_size=1, num_batches=-1, loss=loss)
        for name, loss in (("theirs", default_loss), ("labels_alone", loss_of_labels))
    }
    print(json.dumps(found | {"labels": labels, "rows": len(rows)}))


if __name__ == "__main__":
    main()
