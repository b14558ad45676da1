"""The runs on the disk: preparing a new one, finding and listing them, and how each is."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psutil
from farense_worker.protocol import dataset
from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.plan.disk import RECORD
from farense_worker.protocol.run_folder import (
    RunFolder,
    check_name,
    disk_error,
    free_space,
    write_atomically,
)
from farense_worker.protocol.settings import recipe
from farense_worker.protocol.settings.profile import Config, Profile, Run, check, replace_setting
from farense_worker.protocol.settings.profile_file import dumps
from farense_worker.protocol.settings.upgrade import TOO_NEW

from farense_tui import __version__
from farense_tui.engine.models import locate
from farense_tui.engine.models.assets import embedded_data
from farense_tui.engine.record import record
from farense_tui.engine.record.state import RunState
from farense_tui.engine.runs import trackers

_NOTE = 500  # characters
# Rows of a split that are looked at before a run is made; the worker reads them all.
_LOOKED_AT = 10_000


@dataclass(frozen=True)
class RunSummary:
    """One line of the list of runs; fault: of its configuration, which is None then."""

    folder: RunFolder
    state: RunState
    status: str
    config: Config | None
    resume_step: int | None
    fault: FarenseError | None = None

    @property
    def too_new(self) -> str:
        """Say which newer version wrote it; empty for a run that can be read."""
        fault = self.fault
        return clean(fault.detail) if fault and fault.kind == TOO_NEW else ""

    @property
    def resumable(self) -> bool:
        """Whether `resume` has something to go on with."""
        return not self.too_new and self.status in ("stopped", "failed", "killed", "lost", "new")


def runs_dir(given: str | None = None) -> Path:
    """Where the runs are: --runs-dir, FARENSE_RUNS, ./checkpoints."""
    return Path(given or os.environ.get("FARENSE_RUNS") or "checkpoints").expanduser()


def find(run: str, folder: Path) -> RunFolder:
    """Give a run by its name in `folder` or by its path; FarenseError if it is not there."""
    for path in (folder / run, Path(run).expanduser()):
        if (path / "config.toml").is_file():
            return RunFolder(path.resolve())
    names = ", ".join(summary.name for summary in folders(folder)) or _("none yet")
    raise refused(
        _("there is no run {name}").format(name=run),
        _("in {folder}").format(folder=folder),
        _("Runs: {names}.").format(names=names),
        kind="no_run",
    )


def folders(folder: Path) -> list[RunFolder]:
    """List the runs, the one written to last first."""
    found = [RunFolder(path.parent.resolve()) for path in folder.glob("*/config.toml")]
    return sorted(found, key=_touched, reverse=True)


def check_format(folder: RunFolder) -> None:
    """Refuse a run folder of a newer farense-tui.

    Other faults of its configuration do not keep anybody from looking at it.
    """
    try:
        folder.read_config()
    except FarenseError as error:
        if error.kind == TOO_NEW:
            raise


def summarise(folder: RunFolder) -> RunSummary:
    """Read a run's record from beginning to end."""
    state = record.state_of(folder)
    config, fault = configuration(folder)
    how = status(state, folder.is_alive())
    return RunSummary(folder, state, how, config, folder.resume_step(), fault)


def configuration(folder: RunFolder) -> tuple[Config | None, FarenseError | None]:
    """Read a run's configuration, or give what is wrong with it: such a run is listed as well."""
    try:
        return folder.read_config(), None
    except FarenseError as error:
        return None, error


def status(state: RunState, alive: bool) -> str:
    """One word for how a run is.

    A worker that is gone without a last event was killed, or lost with the machine if that was
    started after the worker's last sign of life.
    """
    if alive:
        return state.phase if state.phase in ("paused", "stopping") else "running"
    if state.ended:
        return state.status
    if not state.last_time:
        return "new"
    return "lost" if psutil.boot_time() > state.last_time else "killed"


def check_resumable(folder: RunFolder) -> None:
    """Refuse to go on with a run that is being trained or has come to its end."""
    prepare_resume(folder, {})


def revise(folder: RunFolder, changes: dict[str, Any], state: RunState | None = None) -> Config:
    """Give the configuration of a run with settings changed; nothing is written.

    changes: parsed values by `section.key`. state: of the run, if it is known. Raises FarenseError
    (refused) for settings that would silently make it another run, and for too few epochs.
    """
    config = folder.read_config()
    revised = config
    for name, value in changes.items():
        revised = replace_setting(revised, name, value)
    check(revised)
    different = recipe.broken(recipe.of(config), recipe.of(revised))
    different += [
        _("{name} cannot be changed").format(name=name)
        for name in changes
        if name.startswith(("model.", "data.", "profile."))
    ]
    if different:
        raise refused(
            _("resuming would make it another run"),
            "\n".join(different),
            _(
                "A new run can start from these weights: "
                "farense-tui train --set model.adapter={folder}"
            ).format(folder=folder.adapters),
            kind="run_changed",
        )
    _check_epochs(state or record.state_of(folder), config, revised)
    return revised


def _check_epochs(state: RunState, config: Config, revised: Config) -> None:
    """Refuse a number of epochs that is behind the run already: no step would be its last."""
    before, now = config.train.epochs, revised.train.epochs
    if now < before and state.step * before > state.total_steps * now:
        raise refused(
            ngettext("{n} epoch is done already", "{n} epochs are done already", now).format(n=now),
            _("step {step} is in epoch {epoch:.2f}").format(
                step=state.step, epoch=state.step * before / state.total_steps
            ),
            _("Stop the run where it is, or take more epochs."),
            kind="run_changed",
        )


def prepare_resume(folder: RunFolder, changes: dict[str, Any]) -> None:
    """Change settings of a run that is about to be resumed, and check that it can be.

    Raises FarenseError (refused), with nothing changed, for a run that is being trained, for one
    that is complete and gets no more epochs, and for what `revise` refuses.
    """
    if folder.is_alive():
        os.close(folder.acquire(patience=0.2))
    config, state = folder.read_config(), record.state_of(folder)
    revised = revise(folder, changes, state)
    trackers.check(revised.report.trackers)
    more = revised.train.epochs > config.train.epochs
    if state.status in ("completed", "early_stopping") and not more:
        ended = (
            _("all {total} steps are done")
            if state.status == "completed"
            else _("it stopped early after step {step}")
        )
        raise refused(
            _("run {name} is complete").format(name=folder.name),
            ended.format(step=state.step, total=state.total_steps),
            _(
                "Its adapter is in {folder}. --set train.epochs={epochs} (or more) goes on with it."
            ).format(folder=folder.adapters, epochs=config.train.epochs + 1),
            kind="run_complete",
        )
    if changes:
        write_atomically(folder.config, dumps(revised))


def new_name(profile_name: str, folder: Path) -> str:
    """Find a name that is free: demo-1, demo-2, ..."""
    number = 1
    while (folder / f"{profile_name}-{number}").exists():
        number += 1
    return f"{profile_name}-{number}"


def data_folder(profile: Profile) -> Path:
    """Where the data set is that a profile names, as an absolute path."""
    if profile.data.path == locate.EMBEDDED:
        return embedded_data().resolve()
    return Path(os.path.expanduser(profile.data.path)).resolve()


def prepare(
    profile: Profile, *, name: str, profile_name: str, folder: Path, **how: Any
) -> RunFolder:
    """Check all that can be checked without MLX, then make the run folder with its config.toml.

    how: ranks, hosts and backend, for a run of several processes (rank_options.py).
    Raises FarenseError (refused) and leaves nothing behind if something is wrong.
    """
    check_name(name)
    path = folder / name
    if path.exists():
        raise refused(
            _("there is a run {name} already").format(name=name),
            str(path),
            _(
                "farense-tui resume {name} continues it; --name gives the new one another name."
            ).format(name=name),
            kind="run_exists",
        )
    data = data_folder(profile)
    dataset.check(data, most=_LOOKED_AT)
    trackers.check(profile.report.trackers)
    repo = locate.resolve(profile.model.repo, profile.model.revision)
    check_space(folder)
    config = Config(
        **{
            **msgspec.structs.asdict(profile),
            "model": msgspec.structs.replace(profile.model, repo=repo),
            "data": msgspec.structs.replace(profile.data, path=str(data)),
        },
        run=Run(
            name=name,
            profile_name=profile_name,
            created=time.time(),
            app_version=__version__,
            **how,
        ),
    )
    try:
        path.mkdir(parents=True)
        try:
            write_atomically(path / "config.toml", dumps(config))
        except OSError:
            shutil.rmtree(path, ignore_errors=True)
            raise
    except OSError as error:
        raise disk_error(error, path) from error
    return RunFolder(path.resolve())


def check_space(folder: Path) -> None:
    """Refuse where there is not even space for the record of a run.

    The worker asks for more once it knows the adapter's size.
    """
    free = free_space(folder)
    if free < RECORD:
        raise refused(
            _("no space on the disk"),
            _("{folder}: {free} MiB free, a run needs at least {least} MiB").format(
                folder=folder.absolute(), free=free >> 20, least=RECORD >> 20
            ),
            _("Delete old runs or choose another --runs-dir."),
            kind="disk_full",
        )


def delete(folder: RunFolder) -> None:
    """Remove a run with all that it wrote; FarenseError (refused) while a worker is at it."""
    lock = folder.acquire()  # held until all is gone, so that none can start meanwhile
    try:
        with alone(folder):
            shutil.rmtree(folder.path)
    finally:
        os.close(lock)


def rename(folder: RunFolder, name: str) -> RunFolder:
    """Give a run another name; FarenseError (refused) if it is taken or a worker is at it."""
    check_name(name)
    target = folder.path.with_name(name)
    if target.exists():
        title = _("there is a run {name} already").format(name=name)
        raise refused(title, str(target), kind="run_exists")
    lock = folder.acquire()
    try:
        with alone(folder):
            with contextlib.suppress(FarenseError):  # a config.toml with faults goes as it is
                config = replace_setting(folder.read_config(), "run.name", name)
                write_atomically(folder.config, dumps(config))
            folder.path.rename(target)
    except OSError as error:
        raise disk_error(error, folder.path) from error
    finally:
        os.close(lock)
    return RunFolder(target)


def note(folder: RunFolder) -> str:
    """What the user has noted on a run, one cleaned line; empty for nothing."""
    try:
        return clean(folder.remark.read_text(encoding="utf-8", errors="replace")[:_NOTE])
    except OSError:
        return ""


def write_note(folder: RunFolder, text: str) -> None:
    """Note something on a run; nothing takes the note away."""
    try:
        if text.strip():
            write_atomically(folder.remark, f"{clean(text)[:_NOTE]}\n")
        else:
            folder.remark.unlink(missing_ok=True)
    except OSError as error:
        raise disk_error(error, folder.path) from error


@contextlib.contextmanager
def alone(folder: RunFolder) -> Iterator[None]:
    """Hold the folder itself, which whoever writes its report does, and who deletes it."""
    descriptor = os.open(folder.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def discard(folder: RunFolder) -> None:
    """Take back `prepare`: a run that was refused before its start leaves nothing behind."""
    delete(folder)
    with contextlib.suppress(OSError):  # other runs are in it
        folder.path.parent.rmdir()


def _touched(folder: RunFolder) -> float:
    path = folder.events if folder.events.exists() else folder.config
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
