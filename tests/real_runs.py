"""Real runs for tests: prepared by the engine, trained by real worker processes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Profile, replace_setting
from farense_worker.protocol.settings.profile_file import parse

from farense_tui.engine.record.state import RunState, fold
from farense_tui.engine.record.tail import Tail
from farense_tui.engine.runs import death, new_run, supervisor
from farense_tui.engine.runs.supervisor import Worker
from tests.waiting import until

PROFILE = """
[train]
batch_size = 4
grad_accumulation = 2
max_seq_length = 64
learning_rate = 1e-2
warmup_steps = 3
warmup_cap = 0.0
epochs = 4
[lora]
rank = 4
dropout = 0.1
[checkpoint]
every = 4
keep = 2
[report]
eval_every = 5
at_end = false
"""

# Settings of a run that nobody waits for to end by itself, however fast the machine is.
ENDLESS: dict[str, Any] = {"train__epochs": 10_000}


@dataclass(frozen=True)
class RunMaker:
    """Makes run folders in `folder`."""

    folder: Path
    model: Path
    data: Path

    def __call__(self, name: str = "run", ranks: int = 1, **settings: Any) -> RunFolder:
        """Prepare a run; `section__key=value` changes a setting of the profile above."""
        profile = parse(PROFILE, "test")
        changes = {"model.repo": str(self.model), "data.path": str(self.data)}
        changes |= {key.replace("__", "."): value for key, value in settings.items()}
        for key, value in changes.items():
            profile = replace_setting(profile, key, value)
        return self.prepare(profile, name, ranks)

    def prepare(self, profile: Profile, name: str, ranks: int = 1) -> RunFolder:
        """Prepare a run of this profile."""
        return new_run.prepare(
            profile, name=name, profile_name="test", folder=self.folder, ranks=ranks
        )


def finish(folder: RunFolder) -> RunState:
    """Train to the end; the state. Fails with the worker's own words if that goes wrong."""
    code = supervisor.launch(folder).wait()
    state = state_of(folder)
    assert code == 0, (code, state.failure, death.last_words(folder.log))
    return state


def state_of(folder: RunFolder) -> RunState:
    """Fold the run's record."""
    return fold(Tail(folder.events).read_all())


def until_state(
    worker: Worker, condition: Callable[[RunState], bool], seconds: float = 180.0
) -> RunState:
    """Wait until the state of a live run fulfils a condition."""

    def state() -> RunState | None:
        ended = worker.poll() is not None  # first: what it says last is read after it
        state = state_of(worker.folder)
        if condition(state):
            return state
        assert not ended, (state.failure, death.last_words(worker.folder.log))
        return None

    so = until(state, seconds, found=lambda: death.last_words(worker.folder.log))
    assert so is not None
    return so


def results(folder: RunFolder) -> dict[str, Any]:
    """All that two runs are compared by: every loss to its last digit, and the files' hashes."""
    state = state_of(folder)
    newest = folder.checkpoints()[-1].path
    return {
        "losses": [(step, value.hex()) for step, value in state.loss],
        "norms": [(step, value.hex()) for step, value in state.grad_norm],
        "rates": list(state.learning_rate),
        "validations": [(v.step, v.loss, v.best) for v in state.validations],
        "adapter": sha256(folder.adapters / "adapters.safetensors"),
        "newest": sha256(newest / "adapters.safetensors"),
        # the order of tensors in the file is not fixed, the tensors are
        "optimizer": tensors(newest / "optimizer.safetensors"),
    }


def sha256(path: Path) -> str:
    """Hash a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tensors(path: Path) -> dict[str, str]:
    """Hash each tensor of a file."""
    arrays: dict[str, Any] = mx.load(str(path))  # type: ignore[assignment]
    return {
        name: hashlib.sha256(bytes(memoryview(value))).hexdigest()
        for name, value in sorted(arrays.items())
    }
