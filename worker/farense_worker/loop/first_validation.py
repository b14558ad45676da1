"""The validation before the first step, kept for the next run.

Until the first step the model is what it came as: an adapter adds nothing yet. Its loss and its
answers then follow from the model, the validation set and the way they are computed, so every run
on them would compute the same ones again.

    CACHE/baseline/KEY.json

It only ever saves time: what cannot be read is made anew, what cannot be written is not kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from farense_worker.loop.setup import Run
from farense_worker.model.model import device
from farense_worker.process import versions
from farense_worker.process.cache_folder import cache_folder

_FORMAT = 3
_MOST_ENTRIES = 200


class Baseline(msgspec.Struct, frozen=True):
    """What was found: the mean loss of `tokens` label tokens, an answer to each prompt.

    seconds: how long the loss took to compute.
    """

    loss: float
    tokens: int
    seconds: float
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """Where the baseline of a run is kept."""

    path: Path

    def read(self) -> Baseline | None:
        """Give it; None where there is none, or it is damaged."""
        try:
            found = msgspec.json.decode(self.path.read_bytes(), type=Baseline)
            os.utime(self.path)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            _log(f"{self.path} is damaged: {error}")  # not translated: for worker.log
            return None
        _log(f"from {self.path}")  # not translated: for worker.log
        return found

    def write(self, found: Baseline) -> None:
        """Keep it, and let go of those that were not used for longest."""
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle, beside = tempfile.mkstemp(prefix=".", dir=folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(msgspec.json.encode(found))
                os.replace(beside, self.path)
            except OSError:
                Path(beside).unlink()
                raise
            _prune(folder)
        except OSError as error:
            _log(f"not cached: {error}")  # not translated: for worker.log


def place(run: Run) -> Place | None:
    """Where this run's baseline is kept; None where nothing is.

    Nothing is kept of a run that begins with somebody's adapter, or computes in several ranks.
    """
    folder = cache_folder("baseline")
    if folder is None or run.config.model.adapter or run.ranks.size > 1 or run.valid is None:
        return None
    try:
        decides = _decides(run, run.valid.digest())
    except OSError as error:
        _log(f"not cached: {error}")  # not translated: for worker.log
        return None
    return Place(folder / f"{hashlib.sha256(repr(decides).encode()).hexdigest()}.json")


def _decides(run: Run, valid: str) -> list[object]:
    """All that the baseline follows from, and all that changes how its sums are rounded."""
    config, kind = run.config, run.config.train.fine_tune_type
    files = [
        (str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(run.path.iterdir())
        if path.is_file()
    ]
    return [
        _FORMAT,
        versions.versions(),
        device(),
        [os.environ.get(name, "") for name in ("LD_PRELOAD", "OPENBLAS_NUM_THREADS")],  # the BLAS
        run.state.model,
        files,
        valid,
        config.model.dtype,
        # An untrained low-rank adapter adds exact zeros; DoRA's magnitudes round.
        (config.lora.num_layers, sorted(config.lora.keys)) if kind == "dora" else (),
        run.trunk.start if run.trunk else 0,
        run.anatomy is not None,
        "valid" in run.shared,
        run.budget,
        (run.prompts, config.report.sample_tokens, run.system_prompt),
    ]


def _prune(folder: Path) -> None:
    entries = []
    for path in folder.glob("*.json"):
        with contextlib.suppress(FileNotFoundError):  # another worker may remove it as well
            entries.append((path.stat().st_mtime, path))
    for _, path in sorted(entries, reverse=True)[_MOST_ENTRIES:]:
        path.unlink(missing_ok=True)


def _log(what: str) -> None:
    print(f"baseline: {what}", file=sys.stderr)
