"""`mlx.launch`, which ends with whoever started it, and everything that it started here with it.

By itself mlx.launch goes on without its parent and leaves its ranks running when it is killed.
Usage: python -m farense_worker.ranks.mlx_launch FD ARGUMENTS-OF-MLX.LAUNCH, where FD is the read
end of a pipe that ends with the parent.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from importlib import metadata
from types import FrameType, ModuleType
from typing import Any

_POLL = 0.05  # seconds; how late a word to the ranks may come


def main() -> None:
    """Run mlx.launch with the arguments that follow."""
    parent = int(sys.argv.pop(1))
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    # It is steered through its standard input only. Handlers, unlike SIG_IGN, are not inherited.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP):
        signal.signal(each, _nothing)
    (script,) = metadata.entry_points(group="console_scripts", name="mlx.launch")
    launch = script.load()
    calm(sys.modules[launch.__module__])
    launch()


def calm(module: ModuleType) -> None:
    """Keep mlx.launch from spinning.

    It waits until a rank's standard input takes something, which is always, even while it has
    nothing to write: its threads then need a whole core. This waits for output alone.
    """
    module.select = _patient_select  # type: ignore[attr-defined]


def _patient_select(read: Any, write: Any, errors: Any, timeout: float) -> tuple[Any, Any, Any]:
    ready, _, _ = select.select(read, [], errors, min(timeout, _POLL))
    return ready, select.select([], write, [], 0)[1] if write else [], []


def _end_with(parent: int) -> None:
    os.read(parent, 1)  # nothing is ever written: it returns when the parent is gone
    os.killpg(0, signal.SIGKILL)


def _nothing(_signal: int, _frame: FrameType | None) -> None:
    pass


if __name__ == "__main__":
    main()
