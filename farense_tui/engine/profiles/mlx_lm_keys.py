"""What mlx_lm.lora reads from a configuration, and what becomes of it in a profile."""

from __future__ import annotations

from typing import Any

from farense_worker.protocol.language import gettext as _

# mlx_lm.lora.CONFIG_DEFAULTS of mlx_lm 0.32; a test compares them.
DEFAULTS: dict[str, Any] = {
    "model": "Qwen/Qwen3-0.6b",
    "train": False,
    "fine_tune_type": "lora",
    "optimizer": "adam",
    "optimizer_config": {"adam": {}, "adamw": {}, "muon": {}, "sgd": {}, "adafactor": {}},
    "data": "mlx-community/WikiSQL",
    "seed": 0,
    "num_layers": 16,
    "batch_size": 4,
    "iters": 1000,
    "val_batches": 25,
    "learning_rate": 1e-5,
    "steps_per_report": 10,
    "steps_per_eval": 200,
    "resume_adapter_file": None,
    "adapter_path": "adapters",
    "save_every": 100,
    "test": False,
    "test_batches": 500,
    "max_seq_length": 2048,
    "config": None,
    "grad_checkpoint": False,
    "grad_accumulation_steps": 1,
    "clear_cache_threshold": 0,
    "lr_schedule": None,
    "lora_parameters": {"rank": 8, "dropout": 0.0, "scale": 20.0},
    "mask_prompt": False,
    "report_to": None,
    "project_name": None,
    "trust_remote_code": False,
}
# Keys that mean the same here.
SAME = {
    "model": "model.repo",
    "trust_remote_code": "model.trust_remote_code",
    "data": "data.path",
    "fine_tune_type": "train.fine_tune_type",
    "seed": "train.seed",
    "batch_size": "train.batch_size",
    "grad_accumulation_steps": "train.grad_accumulation",
    "max_seq_length": "train.max_seq_length",
    "grad_checkpoint": "train.grad_checkpoint",
    "mask_prompt": "train.mask_prompt",
}
# Counted in micro-batches there and in steps here.
CADENCES = {
    "steps_per_report": "report.log_every",
    "steps_per_eval": "report.eval_every",
    "save_every": "checkpoint.every",
}
# A cadence that somebody chose holds in a short run too, as it does there.
AT_LEAST = {"report.eval_every": "report.eval_at_least", "checkpoint.every": "checkpoint.at_least"}
# Keys without a place in a profile, and why.
NO_PLACE = {
    "val_batches": _("every validation goes through all rows of valid.jsonl"),
    "test": _("farense-tui evaluate RUN looks at test.jsonl"),
    "test_batches": _("farense-tui evaluate RUN looks at all of test.jsonl"),
    "adapter_path": _("the adapter is in RUN/adapters; farense-tui export RUN --to DIR copies it"),
    "adapter_file": _("the adapter is in RUN/adapters; farense-tui export RUN --to DIR copies it"),
    "clear_cache_threshold": _(
        "mlx_lm.lora does not use it; memory.cache_limit_gb limits the cache"
    ),
    "report_to": _("runs are reported to nobody; RUN/events.jsonl has all there is to report"),
    "project_name": _("runs are reported to nobody"),
    "config": _("one file makes one profile"),
    "hf_dataset": _("save its rows as DIR/train.jsonl and give train --data DIR"),
}
# Settings of [data] under the same names, and what they are by default.
FEATURES = {
    "prompt_feature": "prompt",
    "completion_feature": "completion",
    "chat_feature": "messages",
    "text_feature": "text",
}
# Names that mlx_lm.lora had before: it passes them over in silence now.
FORMER = {"lora_layers": "num_layers"}
# What an optimizer has here that a profile does not set.
FIXED_OPTIONS: dict[str, dict[str, Any]] = {
    "adam": {"betas": [0.9, 0.999], "eps": 1e-8, "bias_correction": True},
    "adamw": {"betas": [0.9, 0.999], "eps": 1e-8, "bias_correction": True},
    "sgd": {"momentum": 0.0, "dampening": 0.0, "nesterov": False},
    "muon": {"momentum": 0.95, "nesterov": True, "ns_steps": 5},
    "adafactor": {
        "eps": [1e-30, 1e-3],
        "clip_threshold": 1.0,
        "decay_rate": -0.8,
        "beta_1": None,
        "scale_parameter": False,
        "relative_step": False,
        "warmup_init": False,
    },
}
# Where MLX itself has another value than a run here.
UNLIKE_MLX = {
    "adam": {"bias_correction": False},
    "adamw": {"bias_correction": False},
    "adafactor": {"scale_parameter": True, "relative_step": True},
}
# MLX's own weight decay; adam has none.
WEIGHT_DECAY = {"adamw": 0.01, "muon": 0.01, "sgd": 0.0, "adafactor": 0.0}
