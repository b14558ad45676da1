"""One run under observation: its record, its lock and the machine's memory, as one snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from time import monotonic

from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Config

from farense_tui.engine.machine import hardware
from farense_tui.engine.machine.hardware import MemorySample
from farense_tui.engine.record import record
from farense_tui.engine.record.log import Entry
from farense_tui.engine.record.record import Record
from farense_tui.engine.record.state import RunState
from farense_tui.engine.runs.describe import configuration, status

_MEMORY_EVERY = 2.0  # seconds, as heartbeats


@dataclass(frozen=True)
class Snapshot:
    """All that a screen shows of a run at one moment. `now` is in Unix seconds.

    `read` is how much of the record it stands for, 1 for all of it.
    """

    folder: RunFolder
    config: Config | None
    state: RunState
    alive: bool
    status: str
    memory: MemorySample
    now: float
    journal: tuple[Entry, ...] = ()
    read: float = 1.0


class Watch:
    """Follows a run; `fault` is what is wrong with its configuration.

    Not for two threads at once.
    """

    def __init__(self, folder: RunFolder) -> None:
        """Begin at the start of the record; nothing is read yet."""
        self.folder = folder
        self._config, self.fault = configuration(folder)
        log_every = self._config.report.log_every if self._config else 10
        self._record = Record(folder, log_every)
        self._glimpse: RunState | None = None
        self._memory: MemorySample | None = None
        self._memory_due = 0.0

    @property
    def unreadable(self) -> FarenseError | None:
        """Why its record cannot be read, though it is there."""
        return self._record.fault

    def look(self, now: float, patience: float = inf) -> Snapshot:
        """Read what has come since the last look and give the whole picture.

        A long record is read for about `patience` seconds, the rest of it by the next look.
        The lock is asked before the record is read to its end: a worker that ends between the
        two has then written its last event where this look or the next one finds it.
        """
        alive = self.folder.is_alive()
        read = self._record.read(monotonic() + patience)
        state = self._record.state if read == 1 else self._meanwhile()
        return Snapshot(
            folder=self.folder,
            config=self._config,
            state=state,
            alive=alive,
            status=status(state, alive, self.folder),
            memory=self._machine_memory(),
            now=now,
            journal=self._record.journal.publish(),
            read=read,
        )

    def _machine_memory(self) -> MemorySample:
        """How the machine's memory is used, looked at no more often than the worker tells its."""
        if self._memory is None or monotonic() >= self._memory_due:
            self._memory = hardware.memory()
            self._memory_due = monotonic() + _MEMORY_EVERY
        return self._memory

    def _meanwhile(self) -> RunState:
        """What to show while a long record is being read: its newest figures."""
        if self._glimpse is None:
            self._glimpse = record.glimpse(self.folder) or RunState(run=self.folder.name)
        return self._glimpse if self._glimpse.started else self._record.state
