"""Watches a run's health: gathers what the rules look at, at most once a second."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from statistics import fmean
from time import monotonic, time

import psutil
from farense_worker.protocol.run_folder import RunFolder, free_space

from farense_tui.engine.health import Facts, Finding, examine
from farense_tui.engine.machine.vitals import Vitals
from farense_tui.engine.runs.disk_fault import Quiet, takes_nothing
from farense_tui.engine.runs.watch import Snapshot

_EVERY = 1.0
_SWAP_OVER = 30.0  # seconds that the growth of swap is measured over, at the least a third of it
_CPU_OVER = 5.0
_DISK_EVERY = 2.0
_SLEPT = 30.0  # between two looks this long, the watcher or the machine was asleep
_GRACE = 10.0  # then the worker is given time to say something


class Observer:
    """Finds what is wrong with one run. Not for two threads at once."""

    def __init__(self, folder: RunFolder) -> None:
        """Nothing is known yet."""
        self.stop_asked: float | None = None
        self.vitals = Vitals()  # to be set by whoever looks after them
        self._folder = folder
        self._found: tuple[Finding, ...] = ()
        self._since: dict[str, float] = {}
        self._looked = self._slow_looked = -1e9
        self._looked_by_wall = 0.0
        self._calm_until = 0.0
        self._alive = False
        self._swap: deque[tuple[float, int, float]] = deque()
        self._cpu = CpuMeter(folder)
        self._disk: int | None = None
        self._quiet = Quiet()
        self._battery: bool | None = None

    def look(
        self,
        snapshot: Snapshot,
        clock: Callable[[], float] = monotonic,
        wall: Callable[[], float] = time,
    ) -> tuple[Finding, ...]:
        """Give what is wrong now, the most severe and then the newest first.

        wall: a clock that goes on while the machine sleeps; on Linux and macOS the other stops.
        """
        at = clock()
        if snapshot.alive == self._alive and at - self._looked < _EVERY:
            return self._found
        by_wall = wall()
        if self._looked > 0 and max(at - self._looked, by_wall - self._looked_by_wall) > _SLEPT:
            self._calm_until = at + _GRACE
        self._looked, self._looked_by_wall, self._alive = at, by_wall, snapshot.alive
        calm = snapshot.read < 1 or at < self._calm_until
        self._found = () if calm else self._sorted(examine(self._facts(snapshot, at)), snapshot.now)
        return self._found

    def _facts(self, snapshot: Snapshot, at: float) -> Facts:
        quiet = snapshot.alive and self._quiet.look(self._folder.events, at)
        if quiet or at - self._slow_looked > _DISK_EVERY:
            self._slow_looked = at
            self._look_slowly(quiet)
        config = snapshot.config
        one = config is not None and config.run.ranks == 1
        return Facts(
            state=snapshot.state,
            config=config,
            alive=snapshot.alive,
            status=snapshot.status,
            now=snapshot.now,
            swap_rate=self._swap_rate(at, snapshot.memory.swap_used),
            cpu=self._cpu.look(at) if snapshot.alive and one else None,
            gpu=self.vitals.gpu,
            pressure=self.vitals.pressure,
            disk_free=self._disk,
            on_battery=self._battery,
            stop_asked=self.stop_asked,
        )

    def _look_slowly(self, quiet: bool) -> None:
        with contextlib.suppress(OSError):
            self._disk = free_space(self._folder.path)
        if quiet and takes_nothing(self._folder.path):  # a quota: the system counts free space
            self._disk = 0
        battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
        self._battery = None if battery is None else not battery.power_plugged

    def _swap_rate(self, at: float, used: int) -> float | None:
        """Bytes a second over half a minute: by how swap grows, or by what is swapped out."""
        self._swap.append((at, used, self.vitals.swap_out or 0.0))
        while at - self._swap[0][0] > _SWAP_OVER:
            self._swap.popleft()
        then, before, _ = self._swap[0]
        if at - then < _SWAP_OVER / 3:
            return None
        return max((used - before) / (at - then), fmean(out for _, _, out in self._swap))

    def _sorted(self, found: tuple[Finding, ...], now: float) -> tuple[Finding, ...]:
        """Newest first among the equally severe, which is how they come."""
        self._since = {f.rule: self._since.get(f.rule, now) for f in found}
        dated = [replace(finding, since=self._since[finding.rule]) for finding in found]
        order = {finding.rule: at for at, finding in enumerate(found)}
        severity = {"alarm": 0, "warning": 1, "note": 2}
        dated.sort(key=lambda f: (severity[f.severity], -f.since, order[f.rule]))
        return tuple(dated)


class CpuMeter:
    """How many cores the worker keeps busy, over the last five to ten seconds."""

    def __init__(self, folder: RunFolder) -> None:
        """Nothing is known yet."""
        self._folder = folder
        self._process: psutil.Process | None = None
        self._then: tuple[float, float] | None = None
        self.busy: float | None = None

    def look(self, at: float) -> float | None:
        """Give cores; None before there are two looks, or if the process may not be asked."""
        pid = self._folder.pid()
        try:
            if pid is None:
                return None
            if self._process is None or self._process.pid != pid:
                self._process, self._then, self.busy = psutil.Process(pid), None, None
            times = self._process.cpu_times()
        except (psutil.Error, ValueError):  # of a number that no process has
            return None
        used = times.user + times.system
        if self._then is None:
            self._then = (at, used)
        elif at - self._then[0] >= _CPU_OVER:
            self.busy = (used - self._then[1]) / (at - self._then[0])
            self._then = (at, used)
        return self.busy
