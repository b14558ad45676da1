"""What the rules look at: the run's state, the clock, and the machine as far as it is known."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from farense_worker.protocol.run_folder import NO_SPACE
from farense_worker.protocol.settings.profile import Config

from farense_tui.engine.record import setting_changes
from farense_tui.engine.record.state import RunState
from farense_tui.engine.record.superseded import owners

_NEWEST = 100


@dataclass(frozen=True)
class Facts:
    """One moment. What is not known is None; nothing is guessed.

    Bytes, seconds; `swap_rate` in bytes a second that the machine swaps out, over the last half
    minute; `cpu` cores that the worker keeps busy; `gpu` share of the GPU that is in use;
    `pressure` macOS's word for that of memory; `stop_asked` when the user asked it to stop.
    """

    state: RunState
    config: Config | None
    alive: bool
    status: str
    now: float
    swap_rate: float | None = None
    cpu: float | None = None
    gpu: float | None = None
    pressure: str | None = None
    disk_free: int | None = None
    on_battery: bool | None = None
    stop_asked: float | None = None

    @property
    def disk_full(self) -> bool:
        """Whether the run lives and its record, which is on that disk, cannot tell of it."""
        return self.alive and self.disk_free is not None and self.disk_free < NO_SPACE

    @property
    def still(self) -> float:
        """For how long nothing has been done, the machine's sleep not counted.

        Of a clock that was set back since, only what it has counted since then.
        """
        gaps, moved = self.state.gaps, self.state.moved
        if moved > self.state.last_time:
            moved = max((gap.time for gap in gaps if gap.asleep < 0), default=moved)
        asleep = sum(gap.asleep for gap in gaps if gap.time > moved)
        return max(0.0, self.now - moved - max(0.0, asleep))

    @property
    def silent(self) -> float:
        """For how long there has been no event, not even a heartbeat."""
        return max(0.0, self.now - self.state.last_time)

    @property
    def from_step(self) -> int:
        """Step after which the newest worker began."""
        segments = self.state.segments
        return segments[-1].resumed_from_step if segments else 0

    @property
    def steps_here(self) -> int:
        """Steps done since then; 0 while a new worker has not said where it goes on."""
        started = self.state.started
        waiting = started is not None and started.seq < self.state.worker_seq
        return 0 if waiting else self.state.step - self.from_step

    @property
    def alike_from(self) -> int:
        """Step after which every worker had the machine and the settings that the newest has.

        Of a record that does not tell the settings, the step after which the newest began.
        """
        workers = owners(self.state.segments)
        for after, before in pairwise(reversed(workers)):
            if not setting_changes.as_fast(before, after):
                return after.resumed_from_step
        return workers[0].resumed_from_step if workers else 0

    @property
    def usual_step(self) -> float | None:
        """Median time of this run's newest steps; None before the first."""
        seconds = self.state.step_seconds.tail(_NEWEST)
        return median(seconds) if seconds else None

    @property
    def longest_step(self) -> float:
        return max(self.state.step_seconds.tail(_NEWEST), default=0.0)
