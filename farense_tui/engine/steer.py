"""Changing a run while it trains: checkpoint, stop, other settings, resume.

The effective batch stays what it was, so the curve goes on; RunState.segments says where.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from farense_tui.engine import runs, supervisor
from farense_tui.engine.supervisor import Control, Worker
from worker.protocol.profile import Config, Profile
from worker.protocol.runfolder import RunFolder

_POLL = 0.2
# Of another machine's profile: what costs memory and leaves the curve as it is.
_OF_PROFILE = (
    "train.grad_checkpoint",
    "memory.cache_limit_gb",
    "memory.wired_limit_gb",
    "memory.warning",
    "memory.critical",
)


def apply(
    folder: RunFolder, changes: dict[str, Any], given_up: Callable[[], bool] = bool
) -> Worker | None:
    """Change settings of a run, live or ended, and let it go on; its new worker.

    Refused (FarenseError), before anything is stopped, is what would make it another run. Waits
    for the worker's end however long its step takes; None once `given_up` says so.
    """
    runs.revise(folder, changes)
    supervisor.send(folder, Control.STOP)
    while not supervisor.wait_until_gone(folder, _POLL):
        if given_up():
            return None
    runs.prepare_resume(folder, changes)
    return supervisor.launch(folder)


def to_profile(config: Config, profile: Profile) -> dict[str, Any]:
    """The changes that make a run fit the machine of a profile, its effective batch kept.

    The sequence length, the rank and the rate are the run's own and stay.
    """
    effective = config.effective_batch
    most = min(profile.train.batch_size, effective)
    size = next(n for n in range(most, 0, -1) if effective % n == 0)
    wanted: dict[str, Any] = {
        "train.batch_size": size,
        "train.grad_accumulation": effective // size,
    }
    wanted |= {name: _value(profile, name) for name in _OF_PROFILE}
    return {name: value for name, value in wanted.items() if _value(config, name) != value}


def _value(profile: Profile, name: str) -> Any:
    section, _, key = name.partition(".")
    return getattr(getattr(profile, section), key)
