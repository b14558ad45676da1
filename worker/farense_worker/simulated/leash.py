"""A play that nobody watches any more ends: its watcher may be killed by a closed terminal."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

from farense_worker.protocol.errors import ExitCode

_EVERY = 1.0


def follow(owner: int, runs: Path) -> None:
    """End this process once `owner` is gone, and remove the folder of its runs."""
    threading.Thread(target=_watch, args=(owner, runs), daemon=True).start()


def _watch(owner: int, runs: Path) -> None:
    while True:
        time.sleep(_EVERY)
        try:
            os.kill(owner, 0)
        except ProcessLookupError:
            shutil.rmtree(runs, ignore_errors=True)
            os._exit(ExitCode.STOPPED)
