"""How much a run writes, where the model's files tell."""

from __future__ import annotations

from farense_worker.protocol.plan import disk, model_shape
from farense_worker.protocol.settings.profile import Profile

from farense_tui.engine.machine import hardware
from farense_tui.engine.models.locate import ModelState


def disk_need(profile: Profile, model: ModelState) -> int:
    """Bytes at about: of the checkpoints, and of the record. Without the model of the record."""
    shape = model_shape.read(model.path) if model.path else model_shape.known(model.repo)
    if shape is None:
        return disk.RECORD
    shape = shape.computed(profile, gpu=hardware.machine().apple_silicon)
    return disk.RECORD + disk.checkpoints(shape.trained(profile), profile.checkpoint.keep)
