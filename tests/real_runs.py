"""Real runs for tests: prepared by the engine, trained by real worker processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Profile, replace_setting
from farense_worker.protocol.settings.profile_file import parse

from farense_tui.engine.record.state import RunState
from farense_tui.engine.runs import death, new_run, supervisor
from farense_tui.engine.runs.supervisor import Worker
from farense_tui.engine.verify.outcome import results, sha256, state_of
from tests.waiting import until

__all__ = [
    "ENDLESS",
    "RunMaker",
    "finish",
    "results",
    "sha256",
    "state_of",
    "until_state",
]

PROFILE = """
[data]
keep_mb = 0
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
at_least = 0
keep = 2
[report]
eval_every = 5
eval_at_least = 0
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
