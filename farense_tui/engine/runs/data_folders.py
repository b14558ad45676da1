"""Folders that were trained on, and those here that could be: to choose one without typing."""

from __future__ import annotations

import contextlib
from pathlib import Path

from farense_worker.protocol import home
from farense_worker.protocol.errors import FarenseError

from farense_tui.engine.models.locate import EMBEDDED
from farense_tui.engine.runs.folders import folders

_RUNS, _HERE = 40, 500  # looked at


def recent(runs_dir: Path, most: int = 9) -> list[str]:
    """Give data folders that are there: of the newest runs, then those where the user stands."""
    found: dict[str, None] = {}
    for run in folders(runs_dir)[:_RUNS]:
        with contextlib.suppress(FarenseError, OSError):
            found[home.here(run.read_config().data.path)] = None
    with contextlib.suppress(OSError):
        here = sorted(Path.cwd().iterdir())[:_HERE]
        found |= {str(path): None for path in [Path.cwd(), *here] if _holds_rows(path)}
    there = [path for path in found if path != EMBEDDED and _holds_rows(Path(path))]
    return [*there[: most - 1], EMBEDDED]


def _holds_rows(path: Path) -> bool:
    try:
        return (path / "train.jsonl").is_file()
    except OSError:
        return False
