"""Checkpoints of a simulated run: empty but in their places, so that a resume finds them."""

from __future__ import annotations

import json
import shutil

from farense_worker.protocol.messages.events import Checkpoint
from farense_worker.protocol.run_folder import RunFolder, write_atomically

PER_EPOCH = 200
_SIZE = 38 << 20


def event(step: int, best: bool = False) -> Checkpoint:
    """Make the event for a checkpoint after this step."""
    path = f"checkpoint_epoch{step // PER_EPOCH}_step{step}"
    return Checkpoint(step=step, path=path, bytes=_SIZE, seconds=0.2, best=best)


def write(folder: RunFolder, checkpoint: Checkpoint, keep: int, best_step: int) -> None:
    """Put it in its place and remove those before the `keep` newest, but not the best one."""
    path = folder.path / checkpoint.path
    path.mkdir(exist_ok=True)
    (path / "manifest.json").write_text("{}")
    state = {"checkpoint": checkpoint.path, "step": checkpoint.step}
    write_atomically(folder.training_state, json.dumps(state))
    for old in folder.checkpoints()[:-keep]:
        if old.step != best_step:
            shutil.rmtree(old.path)
