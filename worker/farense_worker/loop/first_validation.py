"""The validation before the first step, kept for the next run.

Until the first step the model is what it came as: an adapter adds nothing yet. Its loss and its
answers then follow from the model, the validation set and the way they are computed, so every run
on them would compute the same ones again.
"""

from __future__ import annotations

import sys

import msgspec

from farense_worker.loop.run import Run
from farense_worker.model import sums
from farense_worker.process import kept
from farense_worker.process.kept import Place

_FORMAT = 4


class Baseline(msgspec.Struct, frozen=True):
    """What was found: the mean loss of `tokens` label tokens, an answer to each prompt.

    seconds: how long the loss took to compute.
    """

    loss: float
    tokens: int
    seconds: float
    answers: tuple[str, ...]


def place(run: Run) -> Place[Baseline] | None:
    """Where this run's baseline is kept, in CACHE/baseline; None where nothing is.

    Nothing is kept of a run that begins with somebody's adapter, or computes in several ranks.
    """
    if run.config.model.adapter or run.ranks.size > 1 or run.valid is None:
        return None
    try:
        decides = _decides(run, run.valid.digest())
    except OSError as error:
        print(f"baseline: not kept: {error}", file=sys.stderr)  # not translated: for worker.log
        return None
    return kept.place("baseline", Baseline, decides)


def _decides(run: Run, valid: str) -> list[object]:
    """All that the baseline follows from, and all that changes how its sums are rounded."""
    config, kind = run.config, run.config.train.fine_tune_type
    return [
        _FORMAT,
        sums.computed_by(run.path, run.state.model),
        valid,
        config.model.dtype,
        # An untrained low-rank adapter adds exact zeros; DoRA's magnitudes round.
        (config.lora.num_layers, sorted(config.lora.keys)) if kind == "dora" else (),
        run.trunk.start if run.trunk else 0,
        run.anatomy is not None,
        "valid" in run.shared,
        run.budget,
        (run.prompts, config.report.sample_tokens, run.system_prompt),
    ]
