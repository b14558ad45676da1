"""Cuts the writing of a checkpoint off at its n-th operation on the disk, for every n.

    python -m tests.worker.faults SCENARIO HOW BASE OUT

makes OUT/1, OUT/2, ... as copies of the run BASE, does the scenario in each, and lets the n-th
operation go wrong in the n-th: `fail` raises the error of a full disk, `kill` ends the process on
the spot, `power` also takes away what had not been brought to the disk. What is written at that
moment is written by half. It ends with the first copy in which nothing went wrong any more.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from farense_worker.protocol import checkpoint_files, plain_file
from farense_worker.protocol.run_folder import RunFolder

WHOLE, FAILED, KILLED, SURVIVED = 0, 60, 61, 62


def state(folder: RunFolder, step: int, tag: float) -> Any:
    """Save and publish a checkpoint all of whose contents carry the same tag."""
    import mlx.core as mx
    from farense_worker.loop import checkpoint
    from farense_worker.loop.checkpoint import TrainingState

    adapters = {"layers.0.lora_a": mx.full((8, 4), tag), "layers.0.lora_b": mx.full((4, 8), tag)}
    optimizer = {"step": mx.array(tag), "layers": [{"m": mx.full((8, 4), tag)}]}
    told = TrainingState(step=step, best_loss=tag, best_step=step)
    path, _ = checkpoint.save(folder, told, adapters, optimizer, {"rank": 4})
    checkpoint.publish(folder, path)


def first(folder: RunFolder) -> None:
    """The first checkpoint of a run."""
    state(folder, 1, 1.0)


def next_one(folder: RunFolder) -> None:
    """One more, after which an older one is deleted."""

    state(folder, 3, 3.0)
    checkpoint_files.prune(folder.path, keep=1, best_step=1)


def again(folder: RunFolder) -> None:
    """The same step once more, with other contents."""
    state(folder, 2, 2.5)


def two(folder: RunFolder) -> None:
    """What `next_one` and `again` begin with."""
    state(folder, 1, 1.0)
    state(folder, 2, 2.0)


SCENARIOS: dict[str, Callable[[RunFolder], None]] = {
    "first": first,
    "next_one": next_one,
    "again": again,
    "two": two,
}


class Faults:
    """Counts the operations on the disk and lets the n-th go wrong."""

    def __init__(self, how: str, at: int, folder: Path) -> None:
        """Take over the functions through which checkpoint.py writes."""
        import mlx.core as mx

        self._how, self._at, self._folder = how, at, folder
        self.count = 0
        self.met: set[str] = set()  # writers that were called
        self._synced = {path.stat().st_ino for path in folder.rglob("*")}
        for name in ("mkdir", "rename", "replace", "unlink", "rmdir"):
            self._whole(os, name)
        os.fsync = self._sync  # type: ignore[assignment]
        full = getattr(fcntl, "F_FULLFSYNC", None)  # macOS
        if full is not None:
            plain = fcntl.fcntl
            fcntl.fcntl = lambda fd, command, *rest: (  # type: ignore[assignment]
                self._sync(fd) if command == full else plain(fd, command, *rest)
            )
        self._by_half(Path, "write_text", lambda path, *_: path)
        self._by_half(Path, "write_bytes", lambda path, *_: path)
        self._by_half(plain_file, "copy", lambda _, path: path)
        self._by_half(mx, "save_safetensors", lambda file, _: Path(file.name))

    def _due(self) -> bool:
        self.count += 1
        return self.count == self._at

    def _go_wrong(self, error: Exception) -> None:
        if self._how == "fail":
            raise error
        if self._how == "power":
            for path in self._folder.rglob("*"):
                if path.is_file() and path.stat().st_ino not in self._synced:
                    os.truncate(path, 0)
        os._exit(KILLED)

    def _whole(self, module: Any, name: str) -> None:
        """An operation that happens or does not."""
        real = getattr(module, name)

        def replaced(*args: Any, **kwargs: Any) -> Any:
            if self._due():
                self._go_wrong(OSError(errno.ENOSPC, "No space left on device"))
            return real(*args, **kwargs)

        setattr(module, name, replaced)

    def _sync(self, descriptor: int) -> None:
        """Stand in for bringing a file to the disk: it is noted, which takes no time."""
        if self._due():
            self._go_wrong(OSError(errno.EIO, "Input/output error"))
        self._synced.add(os.fstat(descriptor).st_ino)

    def _by_half(self, owner: Any, name: str, path_of: Callable[..., Path]) -> None:
        """An operation that may get half-way."""
        real = getattr(owner, name)

        def replaced(*args: Any, **kwargs: Any) -> Any:
            due = self._due()
            self.met.add(name)
            result = real(*args, **kwargs)
            if hasattr(args[0], "flush"):
                args[0].flush()
            path = path_of(*args)
            self._synced.discard(path.stat().st_ino)
            if due:
                os.truncate(path, path.stat().st_size // 2)
                self._go_wrong(OSError(errno.ENOSPC, "No space left on device"))
            return result

        setattr(owner, name, replaced)


def one(scenario: str, how: str, at: int, folder: Path) -> int:
    """Do the scenario in this process, with a fault at operation `at`; how it ended."""
    import farense_worker.loop.checkpoint  # noqa: F401 - what importing does on the disk is not counted

    faults = Faults(how, at, folder)
    try:
        SCENARIOS[scenario](RunFolder(folder))
    except OSError:
        return FAILED
    if faults.count >= at:
        return SURVIVED
    assert faults.met >= {"copy", "save_safetensors"}, "a save writes by other functions"
    return WHOLE


def isolated(scenario: str, how: str, at: int, folder: Path) -> int:
    """The same in a process of its own."""
    if sys.platform != "linux":  # Metal does not survive a fork
        command = [sys.executable, "-m", "tests.worker.faults", scenario, how, str(at), str(folder)]
        return subprocess.run(command, check=False).returncode
    import farense_worker.loop.checkpoint  # noqa: F401 - imported once; nothing is computed before the fork

    child = os.fork()
    if not child:
        code = 1
        with contextlib.suppress(BaseException):
            code = one(scenario, how, at, folder)
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(scenario: str, how: str, base: str, out: str) -> int:
    """Make all the copies, or do one if `base` is a number."""
    if base.isdigit():
        return one(scenario, how, int(base), Path(out))
    at, code = 0, None
    while code != WHOLE:
        at += 1
        folder = Path(out) / str(at)
        shutil.copytree(base, folder)
        code = isolated(scenario, how, at, folder)
        if code not in (WHOLE, FAILED, KILLED, SURVIVED):
            raise SystemExit(f"operation {at}: exit code {code}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
