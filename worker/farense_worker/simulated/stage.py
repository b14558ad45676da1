"""Plays a script: an iterator of events, of seconds that pass, and of ends.

The played clock moves by what the script waits and by nothing else, so a record is the same on a
busy machine; only when it is written depends on the speed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from msgspec.structs import replace

from farense_worker.process.output import Output
from farense_worker.process.signals import Control
from farense_worker.protocol.errors import ExitCode
from farense_worker.protocol.messages import events
from farense_worker.protocol.messages.events import Event, PhaseName
from farense_worker.protocol.plan.memory import GIB
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Config
from farense_worker.protocol.simulation import Simulation
from farense_worker.simulated import checkpoints

MIB = 1 << 20
FOR_EVER = 1e9
_BEAT = 2.0
_NAP = 0.05  # real seconds; a signal that came is heeded after one


@dataclass(frozen=True)
class Silence:
    """Seconds that pass without a heartbeat."""

    seconds: float


@dataclass(frozen=True)
class Die:
    """The end of the process without a last event: by a signal, or with an exit code."""

    signal: int = 0
    code: int = 1


Item = Event | float | Silence | Die
Script = Iterator[Item]


class Stopped(Exception):
    """The worker has been told to stop, and has."""


class Stage:
    """The stand-in's state, for scripts to look at, and what plays them."""

    output: Output

    def __init__(
        self, folder: RunFolder, config: Config, played: Simulation, control: Control
    ) -> None:
        """Begin where the newest checkpoint is, as a worker does."""
        self.folder = folder
        self.config = config
        self.control = control
        self.step = folder.resume_step() or 0
        self.total = checkpoints.PER_EPOCH * config.train.epochs
        self.rss = int(3.1 * GIB)
        self.best_step = 0
        self.started = False
        self.now = played.now()
        self._played = played
        self._awake = self.now  # as `now`, but nobody sets it
        self._beaten = self.now
        self._unsaved = False
        self._failed = False

    def play(self, script: Script) -> int:
        """Play a script to its end; the exit code."""
        self.output.step = self.step
        try:
            for item in script:
                self._heed()
                self._take(item)
        except Stopped:
            return ExitCode.STOPPED
        return ExitCode.FAILED if self._failed else ExitCode.DONE

    def _take(self, item: Item) -> None:
        match item:
            case Silence():
                self._pass(item.seconds)
            case Die():
                self._die(item)
            case Event():
                self.emit(item)
            case seconds:
                self._wait(float(seconds))

    def emit(self, event: Event) -> None:
        """Write an event, and keep in mind what follows from it."""
        match event:
            case events.Phase():
                self.output.enter(event.name)
                return
            case events.RunStarted():
                self.started = True
                self.step = event.resumed_from_step
            case events.Step():
                self.step, self._unsaved = event.step, True
            case events.Validation(best=True):
                self.best_step = event.step
            case events.Checkpoint():
                keep = self.config.checkpoint.keep
                checkpoints.write(self.folder, event, keep, self.best_step)
                self._unsaved = False
            case events.RunFailed():
                self._failed = True
        self.output.step = self.step
        self.output.emit(event)

    def set_clock(self, by: float) -> None:
        """Set the machine's clock forth or back, as a person does, or a sleep."""
        self.now += by
        self._beaten += by
        self._played = replace(self._played, origin=self._played.origin + by)

    # Time

    def _wait(self, seconds: float) -> None:
        """Let time pass, with a heartbeat every two seconds."""
        end = self.now + seconds
        while self.now < end:
            upto = min(end, self._beaten + _BEAT)
            self._awake += upto - self.now
            self._pass(upto - self.now)
            if self.now >= self._beaten + _BEAT:
                self._beat()
            if self.control.asked.stop and not self.started:
                self._end()

    def _pass(self, seconds: float) -> None:
        self.now += seconds
        while (left := self._played.real(self.now) - time.time()) > 0:
            time.sleep(min(left, _NAP))

    def _beat(self) -> None:
        self._beaten = self.now
        self.output.emit(
            events.Heartbeat(
                phase=self.output.phase,
                step=self.step,
                rss=self.rss,
                active_memory=2100 * MIB,
                cache_memory=400 * MIB,
                monotonic=self._awake,
            )
        )

    # Signals

    def _heed(self) -> None:
        """Do what was asked for; scripts are interrupted only between two of their items."""
        asked = self.control.asked
        if not self.started:
            return
        if asked.pause and not asked.stop:
            self._pause()
        if asked.save:
            self._save()
        if asked.stop:
            self.output.enter("stopping")
            if self._unsaved:
                self._save()
            self._end()

    def _pause(self) -> None:
        before: PhaseName = self.output.phase
        self.output.enter("paused")
        while self.control.asked.pause and not self.control.asked.stop:
            self._wait(max(_NAP * self._played.speed, 0.1))
            if self.control.asked.save:
                self._save()
                self.output.enter("paused")
        self.control.resume()
        if not self.control.asked.stop:
            self.output.enter(before)

    def _save(self) -> None:
        self.control.saved()
        before = self.output.phase
        self.output.enter("saving")
        self.emit(checkpoints.event(self.step))
        if before == "training":
            self.output.enter("training")

    def _end(self) -> None:
        self.output.emit(events.RunStopped(reason="stopped", step=self.step))
        raise Stopped

    def _die(self, how: Die) -> None:
        if how.signal:
            os.kill(os.getpid(), how.signal)
            time.sleep(60)
        os._exit(how.code)
