"""What makes a run this run: settings that a resume must keep, and those it may change."""

from __future__ import annotations

from typing import Any

import msgspec

from worker.checkpoint import TrainingState
from worker.protocol.errors import refused
from worker.protocol.events import Notice
from worker.protocol.profile import Config

# Another value of these would make the rest of the curve another run's.
FIXED = (
    "train.fine_tune_type",
    "train.optimizer",
    "train.seed",
    "train.mask_prompt",
    "train.max_seq_length",
    "lora.rank",
    "lora.scale",
    "lora.dropout",
    "lora.num_layers",
    "lora.keys",
)
EFFECTIVE_BATCH = "effective batch (train.batch_size x train.grad_accumulation)"
# These change the curve from here on, which is what they are for.
_TOLD = (
    "train.learning_rate",
    "train.warmup_steps",
    "train.schedule",
    "train.final_learning_rate",
    "train.weight_decay",
    "train.max_grad_norm",
    "train.epochs",
)


def of(config: Config) -> dict[str, Any]:
    """Take down the settings that are compared on a resume, as they come back from JSON."""
    found: dict[str, Any] = {EFFECTIVE_BATCH: config.effective_batch}
    for name in (*FIXED, *_TOLD):
        section, _, key = name.partition(".")
        found[name] = getattr(getattr(config, section), key)
    recorded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(found))
    return recorded


def compare(then: TrainingState, now: TrainingState) -> list[Notice]:
    """Compare a checkpoint with what is about to be trained.

    Raises FarenseError (refused) that names all that would silently make it another run; gives
    notices for what was changed on purpose.
    """
    different = [
        f"{name} was {then.recipe[name]} and is {now.recipe[name]}"
        for name in (*FIXED, EFFECTIVE_BATCH)
        if name in then.recipe and then.recipe[name] != now.recipe[name]
    ]
    if then.data != now.data:
        different.append("the training data is not what it was")
    if then.model != now.model:
        different.append("the model is not what it was")
    if different:
        raise refused(
            "resuming would make it another run",
            "\n".join(different),
            "Put it back as it was, or start a new run from these weights: "
            "farense-tui train --set model.adapter=RUN/adapters",
            kind="run_changed",
        )
    return [
        Notice(
            level="info",
            code="setting_changed",
            message=f"{name} was {then.recipe[name]}, "
            f"from step {then.step + 1} on it is {now.recipe[name]}",
        )
        for name in _TOLD
        if name in then.recipe and then.recipe[name] != now.recipe[name]
    ]


def updated(then: TrainingState, now: TrainingState) -> TrainingState:
    """Take the counters from the checkpoint and the settings from now."""
    return msgspec.structs.replace(then, recipe=now.recipe)
