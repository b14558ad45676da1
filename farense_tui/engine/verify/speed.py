"""mlx_lm.lora and this trainer in turn, as whole processes, on the same model, data and adapter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.processes.programs import program

from farense_tui.engine.machine import blas

KEYS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
RANK, SCALE = 8, 16.0
_ATTENTION = frozenset(KEYS[:4])


@dataclass(frozen=True)
class Task:
    """What both train. steps: updates, of `batch` examples; examples: rows of train.jsonl.

    more: settings of ours.
    """

    model: Path
    data: Path
    examples: int
    batch: int = 4
    epochs: int = 1
    trained: int = -1
    rate: float = 2e-4
    length: int = 512
    mask_prompt: bool = True
    grad_checkpoint: bool = False
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def per_epoch(self) -> int:
        """Whole batches: mlx_lm leaves the last, smaller one out."""
        return self.examples // self.batch


@dataclass(frozen=True)
class Measured:
    """One run. Seconds count from the start of the process; memory in bytes."""

    first_step: float
    wall: float
    processor: float  # seconds of it, of all its processes
    training: float  # all steps together, and what is computed once before them
    peak: int  # as MLX counts
    process: int  # as the system counts
    validations: list[tuple[float, float]]  # when, loss
    steps: int = 0
    tokens: int = 0  # of the training rows, in all epochs
    labels: int = 0  # of the validation rows

    def reached(self, loss: float) -> float:
        """When a validation was first at this loss or below."""
        return next((at for at, value in self.validations if value <= loss), float("nan"))


def theirs(place: Path, task: Task, steps: int = 0) -> Measured:
    """Train with mlx_lm.lora. place: a new folder. steps: fewer than all."""
    place.mkdir(parents=True)
    settings = {
        "model": str(task.model),
        "train": True,
        "data": str(task.data),
        "iters": steps or task.per_epoch * task.epochs,
        "batch_size": task.batch,
        "learning_rate": task.rate,
        # Ours corrects the bias, theirs does not unless it is told to: another learning rate.
        "optimizer_config": {"adam": {"bias_correction": True}},
        "num_layers": task.trained,
        "mask_prompt": task.mask_prompt,
        "grad_checkpoint": task.grad_checkpoint,
        "max_seq_length": task.length,
        "steps_per_report": 1,
        "steps_per_eval": task.per_epoch,
        "val_batches": -1,
        "save_every": 10_000,
        "adapter_path": str(place / "adapters"),
        "lora_parameters": {"rank": RANK, "scale": SCALE, "dropout": 0.0, "keys": full_names()},
    }
    file = place / "settings.json"
    file.write_text(json.dumps(settings))
    began = time.time()
    out, processor, process = _run(program("farense_worker.verify.mlx_lm_run", str(file)))
    wall = time.time() - began
    told = json.loads(out.splitlines()[-1])
    return Measured(
        first_step=told["steps"][0][0] - began,
        wall=wall,
        processor=processor,
        training=sum(seconds for _, seconds, _ in told["steps"]),
        peak=told["peak"],
        process=process,
        validations=[(at - began, loss) for at, loss in told["validations"]],
        steps=len(told["steps"]),
        tokens=told["tokens"] * task.epochs,
        labels=told["labels"],
    )


def our_command(place: Path, task: Task) -> list[str]:
    """`farense-tui train` with the settings of mlx_lm's side."""
    settings = {
        "train.batch_size": task.batch,
        "train.grad_accumulation": 1,
        "train.max_seq_length": task.length,
        "train.learning_rate": task.rate,
        "train.warmup_steps": 0,
        "train.schedule": "constant",  # mlx_lm's default; the demo's profile has another
        "train.epochs": task.epochs,
        "train.mask_prompt": str(task.mask_prompt).lower(),
        "train.grad_checkpoint": str(task.grad_checkpoint).lower(),
        "train.rollbacks": 0,
        "lora.num_layers": task.trained,
        "lora.rank": RANK,
        "lora.scale": SCALE,
        "checkpoint.every": 10_000,
        "report.eval_every": task.per_epoch,
        "report.questions": "0",
        **task.more,
    }
    words = ["train", "--profile", "demo", "--json", "--model", str(task.model)]
    words += ["--data", str(task.data), "--runs-dir", str(place), "--name", "run"]
    words += [f"--set={name}={value}" for name, value in settings.items()]
    return program("farense_tui", *words)


def ours(place: Path, task: Task, cache: Path | None = None) -> Measured:
    """Train with `farense-tui train`. cache: tokens may be kept there of an earlier run."""
    began = time.time()
    out, processor, process = _run(our_command(place, task), FARENSE_CACHE=str(cache or "off"))
    wall = time.time() - began
    events = [json.loads(line) for line in out.splitlines()]
    steps = [event for event in events if event["type"] == "step"]
    validations = [event for event in events if event["type"] == "validation"]
    return Measured(
        first_step=steps[0]["time"] - began,
        wall=wall,
        processor=processor,
        training=sum(event["seconds"] for event in steps) + _once(events),
        peak=max(event["peak_memory"] for event in steps),
        process=process,
        validations=[(event["time"] - began, event["loss"]) for event in validations],
        steps=len(steps),
        tokens=sum(event["tokens"] for event in steps),
        labels=validations[0]["tokens"] if validations else 0,
    )


def _once(events: list[dict[str, Any]]) -> float:
    """Seconds of the pass through the frozen layers."""
    phases = [event for event in events if event["type"] in ("phase", "run_started")]
    starts = [at for at, event in enumerate(phases) if event.get("name") == "precomputing"]
    return sum(float(phases[at + 1]["time"] - phases[at]["time"]) for at in starts)


def full_names() -> list[str]:
    """Names of all linear layers within a layer: mlx_lm wants them whole."""
    return [f"{'self_attn' if key in _ATTENTION else 'mlp'}.{key}" for key in KEYS]


def _run(command: Sequence[str], **variables: str) -> tuple[str, float, int]:
    """What a command prints; what it and its children took: seconds of processor, and bytes.

    Of its processes the largest counts.
    """
    environment = {**os.environ, **blas.environment(), **variables}
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        ) as process,
    ):
        assert process.stdout
        out = process.stdout.read()
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            title = _("{program} did not end well").format(program=command[3])
            raise FarenseError(
                title, errors.read().decode("utf-8", "replace")[-2000:], kind="verify"
            )
    largest = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return out, used.ru_utime + used.ru_stime, largest
