"""Checkpoints of a simulated run: empty but in their places, so that a resume finds them."""

from __future__ import annotations

from farense_worker.protocol import checkpoint_files
from farense_worker.protocol.messages.events import Checkpoint
from farense_worker.protocol.run_folder import RunFolder

PER_EPOCH = 200
_SIZE = 38 << 20


def event(step: int, best: bool = False) -> Checkpoint:
    path = checkpoint_files.name(step // PER_EPOCH, step)
    return Checkpoint(step=step, path=path, bytes=_SIZE, seconds=0.2, best=best)


def write(folder: RunFolder, checkpoint: Checkpoint, keep: int, best_step: int) -> None:
    """Put it in its place and remove those before the `keep` newest, but not the best one."""
    path = folder.path / checkpoint.path
    path.mkdir(exist_ok=True)
    (path / checkpoint_files.MANIFEST).write_text("{}")
    folder.resume_from(checkpoint.path, checkpoint.step)
    checkpoint_files.prune(folder.path, keep, best_step, checkpoint.step)
