"""Changing a run while it trains: checkpoint, stop, other settings, resume.

The effective batch stays what it was, so the curve goes on; RunState.segments says where.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from farense_worker.protocol import checkpoint_files, plain_file, simulation
from farense_worker.protocol.checkpoint_files import CheckpointFolder
from farense_worker.protocol.errors import in_words, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.run_folder import RunFolder, disk_error
from farense_worker.protocol.settings.profile import Config, Profile

from farense_tui.engine.runs import resuming, supervisor
from farense_tui.engine.runs.supervisor import Control, Worker

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
    folder: RunFolder,
    changes: dict[str, Any],
    back_to: int | None = None,
    given_up: Callable[[], bool] = bool,
) -> Worker | None:
    """Change settings of a run, live or ended, and let it go on; its new worker.

    back_to: step of the checkpoint to go on from, if not the newest. Refused (FarenseError), before
    anything is stopped, is what would make it another run. Waits for the worker's end however long
    its step takes; None once `given_up` says so.
    """
    resuming.revise(folder, changes)
    if back_to is not None:
        _checkpoint(folder, back_to)
    asked = supervisor.send(folder, Control.STOP)
    while not supervisor.wait_until_gone(folder, _POLL):
        if given_up():
            return None
        asked = asked or supervisor.send(folder, Control.STOP)  # it took long to start
    resuming.prepare_resume(folder, changes)
    if back_to is not None:
        rewind(folder, back_to)
    return supervisor.launch(folder)


def rewind(folder: RunFolder, step: int) -> None:
    """Take all checkpoints after that of `step` away, so that a resume goes on from there.

    Raises FarenseError (refused), with nothing taken away, if there is no sound one of that step,
    or while a worker is at it.
    """
    lock = folder.acquire()
    try:
        kept = _checkpoint(folder, step)
        for each in folder.checkpoints():
            if each.step > step:
                each.remove()
        folder.resume_from(kept.path.name, step)
    except OSError as error:
        raise disk_error(error, folder.path) from error
    finally:
        plain_file.release(lock)


def _checkpoint(folder: RunFolder, step: int) -> CheckpointFolder:
    there = {each.step: each for each in folder.checkpoints()}
    if step not in there:
        steps = ", ".join(map(str, there)) or _("none yet")
        raise refused(
            _("there is no checkpoint of step {step}").format(step=step),
            _("There are: {names}.").format(names=steps),
        )
    if not simulation.read(folder.path):  # whose checkpoints are empty
        try:
            checkpoint_files.compare(there[step].path)
        except checkpoint_files.DAMAGES as error:
            raise refused(
                _("the checkpoint of step {step} cannot be gone back to").format(step=step),
                in_words(error),
                _("Those after it stay: a resume goes on from the newest."),
                kind="checkpoint",
            ) from error
    return there[step]


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
