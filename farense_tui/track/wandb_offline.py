"""A run of Weights & Biases on the disk; `wandb sync` takes it to the server if the user likes."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

from farense_worker.protocol.settings.profile import Config

from farense_tui.track.writer import settings

PROJECT = "farense-tui"


class Wandb:
    """One offline run in `place`, in the place of any that is there."""

    def __init__(self, place: Path, config: Config) -> None:
        """Begin it with the run's settings. The same run has the same id, however often."""
        os.environ["WANDB_ERROR_REPORTING"] = "false"  # before the import: it would go online
        import wandb

        number = hashlib.sha256(str(config.run.created).encode()).hexdigest()[:12]
        for old in place.glob(f"offline-run-*-{number}"):
            shutil.rmtree(old)
        self._table = wandb.Table
        self._samples: list[tuple[str, str]] = []
        self._at = (0, 0.0)
        self._run: Any = wandb.init(
            project=PROJECT,
            id=number,
            name=config.run.name,
            config=settings(config),
            dir=str(place.parent),
            mode="offline",
            settings=wandb.Settings(
                console="off",
                disable_code=True,
                disable_git=True,
                silent=True,
                x_disable_meta=True,
                x_disable_stats=True,
            ),
        )

    def scalars(self, step: int, time: float, values: dict[str, float]) -> None:
        self._write_samples()
        self._log(step, time, values)

    def sample(self, step: int, time: float, prompt: str, text: str) -> None:
        """Keep an answer for the table of its step."""
        if self._samples and self._at[0] != step:
            self._write_samples()
        self._samples.append((prompt, text))
        self._at = (step, time)

    def flush(self) -> None:
        """Nothing is held back here: wandb's own process writes."""

    def close(self) -> None:
        """End the run, and wait until it is on the disk."""
        self._write_samples()
        self._run.finish()

    def _write_samples(self) -> None:
        if self._samples:
            table = self._table(columns=["prompt", "text"], data=[list(s) for s in self._samples])
            self._log(*self._at, {"samples": table})
            self._samples = []

    def _log(self, step: int, time: float, values: dict[str, Any]) -> None:
        self._run.log({"_timestamp": time, **values}, step=step)
