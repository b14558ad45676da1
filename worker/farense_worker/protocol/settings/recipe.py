"""What makes a run this run: settings that a resume must keep, and those it may change."""

from __future__ import annotations

from typing import Any

import msgspec

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import mark
from farense_worker.protocol.settings.profile import Config

# Another value of these would make the rest of the curve another run's.
FIXED = (
    "train.fine_tune_type",
    "train.modules",
    "train.optimizer",
    "train.seed",
    "train.mask_prompt",
    "train.answers",
    "train.max_seq_length",
    "lora.rank",
    "lora.scale",
    "lora.dropout",
    "lora.num_layers",
    "lora.keys",
    "data.valid_fraction",
    "data.append_end",
    "data.prompt_feature",
    "data.completion_feature",
    "data.chat_feature",
    "data.text_feature",
)
# A key of the checkpoints, said in the user's language only where it is shown.
EFFECTIVE_BATCH = mark("effective batch (train.batch_size x train.grad_accumulation)")
# These change the curve from here on, which is what they are for.
TOLD = (
    "model.dtype",  # a run that leaves float16's range changes it by itself
    "train.learning_rate",
    "train.warmup_steps",
    "train.warmup_cap",
    "train.schedule",
    "train.final_learning_rate",
    "train.weight_decay",
    "train.max_grad_norm",
    "train.epochs",
)


def of(config: Config) -> dict[str, Any]:
    """Take down the settings that are compared on a resume, as they come back from JSON."""
    found: dict[str, Any] = {EFFECTIVE_BATCH: config.effective_batch}
    for name in (*FIXED, *TOLD):
        section, _dot, key = name.partition(".")
        found[name] = getattr(getattr(config, section), key)
    recorded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(found))
    return recorded


def steerable(config: Config) -> dict[str, Any]:
    """Give the settings that a resume may change, by `section.key`, as they come back from JSON."""
    sections = {name: getattr(config, name) for name in ("train", "memory", "checkpoint", "report")}
    found = {
        f"{section}.{key}": value
        for section, settings in sections.items()
        for key, value in msgspec.structs.asdict(settings).items()
        if f"{section}.{key}" not in FIXED
    }
    found["model.dtype"] = config.model.dtype
    recorded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(found))
    return recorded


def broken(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Name the settings whose change would silently make it another run."""
    return [
        _("{name} was {before} and is {now}").format(name=_(name), before=then[name], now=now[name])
        for name in (*FIXED, EFFECTIVE_BATCH)
        if name in then and then[name] != now[name]
    ]


def changed(then: dict[str, Any], now: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Give what was changed on purpose: name, value then, value now."""
    return [
        (name, then[name], now[name]) for name in TOLD if name in then and then[name] != now[name]
    ]
