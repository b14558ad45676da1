"""Each operation on the disk of a save fails once, by each error that a disk may give."""

from __future__ import annotations

import builtins
import contextlib
import errno
import io
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from farense_worker.protocol.run_folder import RunFolder

from benchmarks.faults.soak.tally import Tally
from tests.worker import faults

ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE, errno.EDQUOT, errno.EACCES)
_OPERATIONS = ("open", "write", "fsync", "mkdir", "rename", "replace", "unlink", "rmdir", "scandir")
# What a scenario begins with, and what (step, tag) may be there after it was cut off.
BEGINNINGS = {"first": None, "next_one": "two", "again": "two"}
_MOST = 500  # operations


def soak(place: Path, dice: random.Random, more: Callable[[], bool], tally: Tally) -> None:
    """Every operation of every scenario by every error; then at two operations at once."""
    from farense_worker.loop import checkpoint

    for scenario, beginning in BEGINNINGS.items():
        base = place / f"base-{scenario}"
        base.mkdir()
        if beginning:
            faults.SCENARIOS[beginning](RunFolder(base))
        for error in ERRORS:
            for at in range(1, _MOST):
                if not more():
                    return
                copy = place / "copy"
                shutil.copytree(base, copy)
                failing = Failing(error, {at})
                with failing.patched():
                    try:
                        faults.SCENARIOS[scenario](RunFolder(copy))
                    except OSError:
                        tally.count(errno.errorcode[error])
                    except Exception as wrong:  # noqa: BLE001 - this is what is looked for
                        tally.fail(scenario, f"{errno.errorcode[error]} at {at}: {wrong!r}")
                where = f"{scenario}, {errno.errorcode[error]} at operation {at}"
                folder = RunFolder(copy)
                checkpoint.clean_up(folder)
                loaded, damaged = checkpoint.newest(folder)
                if damaged or (loaded is None and beginning):
                    tally.fail("damaged", f"{where}: {damaged or 'nothing is there'}")
                faults.SCENARIOS[scenario](folder)  # and the next attempt gets it done
                shutil.rmtree(copy)
                if failing.count < at:
                    break


class Failing:
    """Lets the operations with these numbers fail, as the system does."""

    def __init__(self, error: int, at: set[int]) -> None:
        self._error, self._at, self.count = error, at, 0

    @contextlib.contextmanager
    def patched(self) -> Any:
        """Take over what Python's own functions on files come down to."""
        import mlx.core as mx

        real: dict[Any, Any] = {(os, name): getattr(os, name) for name in _OPERATIONS}
        real[(io, "open")] = real[(builtins, "open")] = builtins.open
        real[(mx, "save_safetensors")] = mx.save_safetensors
        for (module, name), function in real.items():
            setattr(module, name, self._failing(function))
        try:
            yield
        finally:
            for (module, name), function in real.items():
                setattr(module, name, function)

    def _failing(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def failing(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            if self.count in self._at:
                raise OSError(self._error, os.strerror(self._error), str(args[0] if args else ""))
            return real(*args, **kwargs)

        return failing
