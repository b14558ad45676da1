"""What a run came to, as two runs are compared: to the last digit, and the files byte by byte."""

from __future__ import annotations

import hashlib
from math import isnan, nan
from pathlib import Path
from typing import Any

from farense_worker.protocol.checkpoint_files import ADAPTERS, OPTIMIZER
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.record.state import RunState, fold
from farense_tui.engine.record.tail import Tail


def state_of(folder: RunFolder) -> RunState:
    """Fold the run's record."""
    return fold(Tail(folder.events).read_all())


def results(folder: RunFolder) -> dict[str, Any]:
    """All that two runs are compared by: every loss to its last digit, and the files' hashes."""
    state = state_of(folder)
    newest = folder.checkpoints()[-1].path
    return {
        "losses": [(step, value.hex()) for step, value in state.loss],
        "norms": [(step, value.hex()) for step, value in state.grad_norm],
        "rates": list(state.learning_rate),
        "validations": [(v.step, v.loss, v.best) for v in state.validations],
        "adapter": sha256(folder.adapters / ADAPTERS),
        "newest": sha256(newest / ADAPTERS),
        "optimizer": sha256(newest / OPTIMIZER),
    }


def sha256(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def different(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Name what is not equal in two results."""
    return [name for name in one if one[name] != other[name]]


def furthest(one: RunState, other: RunState) -> float:
    """Give the largest relative difference of the losses of the same steps."""
    known = dict(other.loss)
    pairs = [(value, known[step]) for step, value in one.loss if step in known]
    far = [abs(a - b) / abs(b) for a, b in pairs if b]
    return nan if any(map(isnan, far)) else max(far, default=0.0)
