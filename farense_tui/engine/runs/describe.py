"""How a run is: its state, a word for it, its configuration or what is wrong with that."""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import inf

from farense_worker.protocol import plain_file
from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import FarenseError, unreadable
from farense_worker.protocol.messages import events
from farense_worker.protocol.processes import lock_holder, machine
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Config
from farense_worker.protocol.settings.upgrade import TOO_NEW

from farense_tui.engine.record import record, tail
from farense_tui.engine.record.state import RunState

_END = 1 << 15  # bytes of a record in which there is a sign of life


@dataclass(frozen=True)
class RunSummary:
    """One line of the list of runs; fault: of its configuration, which is None then, its record,
    or its folder, whose checkpoints nobody sees then.
    """

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
    def wrong(self) -> str:
        """Say what is wrong with its files; empty for a run that can be read."""
        if self.too_new or self.fault is None:
            return self.too_new
        return in_line(self.fault)

    @property
    def resumable(self) -> bool:
        """Whether `resume` has something to go on with."""
        return not self.too_new and self.status in ("stopped", "failed", "killed", "lost", "new")


def summarise(folder: RunFolder) -> RunSummary:
    """Read a run's record from beginning to end."""
    read = record.Record(folder)
    read.read(inf)
    config, fault = configuration(folder)
    how = status(read.state, folder.is_alive(), folder)
    step, unseen = resume_step(folder)
    return RunSummary(folder, read.state, how, config, step, fault or read.fault or unseen)


def resume_step(folder: RunFolder) -> tuple[int | None, FarenseError | None]:
    """Step that a resume would continue after, or why that cannot be seen just now."""
    try:
        return folder.resume_step(), None
    except OSError as error:
        return None, unreadable(error)


def in_line(fault: FarenseError) -> str:
    """Say in one cleaned line what is wrong."""
    return clean(f"{fault.title}: {fault.detail}")


def configuration(folder: RunFolder) -> tuple[Config | None, FarenseError | None]:
    """Read a run's configuration, or give what is wrong with it: such a run is listed as well."""
    try:
        return folder.read_config(), None
    except FarenseError as error:
        return None, error


def is_paused(folder: RunFolder) -> bool:
    """Whether a living run is paused, by the end of its record, where its worker tells."""
    try:
        with plain_file.reading(folder.events) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _END))
            lines = file.read().splitlines()
    except OSError:
        return False
    for event in map(events.decode, reversed(lines)):
        if isinstance(event, events.Heartbeat):
            return event.phase == "paused"
        if isinstance(event, events.Phase):
            return event.name == "paused"
    return False


def status(state: RunState, alive: bool, folder: RunFolder | None = None) -> str:
    """One word for how a run is.

    A worker that is gone without a last event was killed, or lost with the machine if that was
    started since: by the boot that its lock names, or else by the worker's last sign of life.
    """
    if alive:
        return state.phase if state.phase in ("paused", "stopping") else "running"
    if state.ended:
        return state.status
    if not state.last_time:
        return "new"
    same = lock_holder.same_boot(folder.lock_file) if folder else None
    if same is None:  # by the clock, which somebody may have set
        same = (machine.boot_time() or 0.0) <= state.last_time
    return "killed" if same else "lost"


def check_readable(folder: RunFolder) -> None:
    """Refuse a run folder of a newer farense-tui, and one whose record cannot be read.

    Other faults of its configuration do not keep anybody from looking at it.
    """
    try:
        folder.read_config()
    except FarenseError as error:
        if error.kind == TOO_NEW:
            raise
    tail.check(folder.events)
