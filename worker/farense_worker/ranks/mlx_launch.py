"""`mlx.launch`, which ends with whoever started it, and everything that it started here with it.

By itself mlx.launch goes on without its parent and leaves its ranks running when it is killed.
Usage: python -m farense_worker.ranks.mlx_launch FD ARGUMENTS-OF-MLX.LAUNCH, where FD is the read
end of a pipe that ends with the parent.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from importlib import metadata
from types import FrameType

from farense_worker.model import compat


def main() -> None:
    """Run mlx.launch with the arguments that follow."""
    parent = int(sys.argv.pop(1))
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    # It is steered through its standard input only. Handlers, unlike SIG_IGN, are not inherited.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP):
        signal.signal(each, _nothing)
    (script,) = metadata.entry_points(group="console_scripts", name="mlx.launch")
    launch = script.load()
    compat.calm(sys.modules[launch.__module__])
    launch()


def _end_with(parent: int) -> None:
    os.read(parent, 1)  # nothing is ever written: it returns when the parent is gone
    os.killpg(0, signal.SIGKILL)


def _nothing(_signal: int, _frame: FrameType | None) -> None:
    pass


if __name__ == "__main__":
    main()
