"""One reader: looks at a run again and again and says what is new. Runs in a thread."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable
from dataclasses import replace
from threading import Event
from time import monotonic

from farense_worker.protocol.errors import FarenseError, of_system
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Config
from textual.message import Message

from farense_tui.engine.health import Finding
from farense_tui.engine.health.observe import Observer
from farense_tui.engine.runs import clock
from farense_tui.engine.runs.supervisor import Worker
from farense_tui.engine.runs.watch import Snapshot, Watch
from farense_tui.ui.messages import Refused, Unforeseen
from farense_tui.ui.monitor.outcome import Outcome, outcome

_REST = 0.1  # seconds between two looks at the record's length
_LONGEST = 0.3  # seconds of one look at a long record, so that its beginning is seen meanwhile
_READABLE = 0.5  # seconds between two figures: nobody reads faster, and drawing is what costs
_TICK = 1.0  # seconds after which a look is told though nothing came: the clocks go on


class Changed(Message):
    """The run as it is now. Each carries all there is, so that a newer one can stand for it."""

    def __init__(
        self, snapshot: Snapshot, end: Outcome | None, findings: tuple[Finding, ...] = ()
    ) -> None:
        """Carry a snapshot, how the run ended if it has, and what is wrong with it."""
        super().__init__()
        self.snapshot = snapshot
        self.end = end
        self.findings = findings

    def can_replace(self, message: Message) -> bool:
        """Whoever is late needs only the newest."""
        return isinstance(message, Changed)


class Follower:
    """Follows a run until `stop`."""

    def __init__(self, folder: RunFolder, worker: Worker | None) -> None:
        """Follow the run in `folder`; `worker` if this process has started it."""
        self.folder = folder
        self.worker = worker
        self.observer = Observer(folder)
        self._config: Config | None = None
        self._config_of = -1  # first event of the worker whose settings they are
        self._wake = Event()
        self._stopped = False

    def stop(self) -> None:
        """End `run` soon."""
        self._stopped = True
        self._wake.set()

    def look_now(self) -> None:
        """Look at once: something has been asked of the worker."""
        self._wake.set()

    def run(self, tell: Callable[[Message], object]) -> None:
        """Look, tell what is new, wait, and again."""
        watch = Watch(self.folder)
        told: Snapshot | None = None
        told_at = 0.0
        findings: tuple[Finding, ...] = ()
        refused = False  # by the system, and told
        faults: set[str] = set()  # where they were, told once each: the next look may meet the same
        while not self._stopped:
            # asked before the look: a worker whose end is known has written its last event
            length = self._length()
            exit_code = self.worker.process.poll() if self.worker else None
            try:
                snapshot = self._with_config(watch.look(clock.now(), _LONGEST))
                before, findings = findings, self.observer.look(snapshot)
                new = told is None or _is_new(snapshot, told, monotonic() - told_at)
                if new or findings is not before:
                    tell(Changed(snapshot, outcome(snapshot, exit_code), findings))
                    told, told_at = snapshot, monotonic()
            except OSError as error:
                if not refused:
                    tell(Refused(of_system(error)))
                refused = True
            except Exception as error:  # noqa: BLE001 - a run goes on that nobody else follows
                if (where := _where(error)) not in faults:
                    tell(Unforeseen(error))
                faults.add(where)
            else:
                refused = False
                if snapshot.read == 1:
                    self._wait(length)
                continue
            self._wake.wait(_READABLE)

    def _wait(self, length: int) -> None:
        """Wait until the record is longer, but long enough to be read and at most for a tick."""
        waited = _READABLE
        woken = self._wake.wait(_READABLE)
        while not woken and waited < _TICK and self._length() == length:
            woken = self._wake.wait(_REST)
            waited += _REST
        self._wake.clear()

    def _length(self) -> int:
        try:
            return self.folder.events.stat().st_size
        except OSError:  # not there yet, or no more: the look says so
            return -1

    def _with_config(self, snapshot: Snapshot) -> Snapshot:
        """Take the settings of the newest worker: a resume may have changed them."""
        if snapshot.state.worker_seq != self._config_of:
            self._config_of = snapshot.state.worker_seq
            with contextlib.suppress(FarenseError):
                self._config = self.folder.read_config()
        return replace(snapshot, config=self._config or snapshot.config)


def _where(error: Exception) -> str:
    return repr(traceback.extract_tb(error.__traceback__)[-1])


def _is_new(snapshot: Snapshot, told: Snapshot, since: float) -> bool:
    if snapshot.read != told.read or snapshot.status != told.status:
        return True
    return since >= _TICK or snapshot.state is not told.state
