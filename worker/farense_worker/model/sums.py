"""All that changes how the sums of a model are rounded, to know a result of an earlier run by."""

from __future__ import annotations

import os
from pathlib import Path

from farense_worker.model.model import device
from farense_worker.process import versions
from farense_worker.protocol import plain_file


def computed_by(model: Path, fingerprint: str) -> list[object]:
    """Tell the programs, the machine and the model's files; OSError where those cannot be seen."""
    blas = [os.environ.get(name, "") for name in ("LD_PRELOAD", "OPENBLAS_NUM_THREADS")]
    return [versions.versions(), device(), blas, fingerprint, _files(model)]


def ours() -> list[object]:
    """Tell the modules beside this one, for a checkout whose version stays the same."""
    return _files(Path(__file__).parent)


def _files(folder: Path) -> list[object]:
    found = [path for path in sorted(folder.iterdir()) if path.is_file()]
    stats = [(path, path.stat()) for path in found]
    return [
        (str(plain_file.resolved(path)), each.st_size, each.st_mtime_ns) for path, each in stats
    ]
