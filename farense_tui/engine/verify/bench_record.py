"""The record of a verification: what others' can be compared with. No names, no paths."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from importlib import metadata

from farense_tui import __version__
from farense_tui.engine.machine import hardware
from farense_tui.engine.machine.measured import Record, Speeds
from farense_tui.engine.models.locate import EMBEDDED
from farense_tui.engine.verify.row import Row

_PACKAGES = ("mlx", "mlx-lm")


def make(
    rows: Sequence[Row], model: str, *, bench: bool, load: float | None, compiled: str = "auto"
) -> Record:
    """Make the record. load: of the machine before it began."""
    machine = hardware.machine()
    figures = {row.name: dict(row.figures) for row in rows if row.figures}
    found = {name: figures.get(f"arithmetic_{name}", {}) for name in ("quantised", "floats")}
    return Record(
        made=time.time(),
        chip=machine.chip,
        memory=machine.memory,
        cores=machine.cores,
        backend=machine.backend,
        system=machine.system,
        versions={
            "farense-tui": __version__,
            "python": platform.python_version(),
            **{name: _version(name) for name in _PACKAGES},
        },
        settings={
            "model": EMBEDDED if model == EMBEDDED else "another",
            "bench": "yes" if bench else "no",
            "compile": compiled,
        },
        speeds=Speeds(**{name: each.get("flops", 0.0) for name, each in found.items()}),
        figures=figures,
        verdicts={row.name: row.verdict for row in rows},
        load=load,
    )


def load() -> float | None:
    """How busy the machine is: processes that want to run, over the last minute."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
