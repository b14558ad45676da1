"""Without a screen: follow a run as plain lines or as the worker's own events."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from types import FrameType

from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import ExitCode, FarenseError, of_system
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages import events
from farense_worker.protocol.processes.programs import program
from farense_worker.protocol.run_folder import RunFolder, is_full
from farense_worker.protocol.settings.profile import Config, Report

from farense_tui.cli.output import hush, relative, say, say_record, tell
from farense_tui.engine import readable as f
from farense_tui.engine.record import lines
from farense_tui.engine.record.state import RunState, reduce
from farense_tui.engine.record.tail import Tail
from farense_tui.engine.record.time_left import remaining_seconds
from farense_tui.engine.runs import death, describe, supervisor, trackers
from farense_tui.engine.runs.disk_fault import Quiet, takes_nothing
from farense_tui.engine.runs.supervisor import Control, Worker
from farense_tui.report import make

_POLL = 0.1
_DISK_POLL = 1.0
_END = 1 << 16  # bytes of a record: some hundred events
_ENDS = {
    "completed": ExitCode.DONE,
    "early_stopping": ExitCode.DONE,
    "stopped": ExitCode.STOPPED,
}


@dataclass
class Interrupts:
    """Counts Ctrl-C and SIGTERM: the first stops the run, the second kills it."""

    count: int = 0

    def listen(self) -> None:
        """Take over both signals."""
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        self.count += 1


def follow(
    worker: Worker,
    interrupts: Interrupts,
    *,
    as_json: bool,
    start: int = 0,
    until: Callable[[RunState], bool] | None = None,
) -> int:
    """Follow a worker that was just started to its end; the exit code.

    start: offset in the record from which on events are shown. until: leaves earlier, with the
    worker going on, once this holds for the state.
    """
    with _going_on(worker):
        return _follow(worker, interrupts, as_json, start, until)


def _follow(
    worker: Worker,
    interrupts: Interrupts,
    as_json: bool,
    start: int,
    until: Callable[[RunState], bool] | None,
) -> int:
    show = _raw if as_json else Lines(worker.folder.read_config())
    told, asked = _Told(worker.folder, start), 0
    disk = _Disk(worker.folder)
    while True:
        code = worker.poll()
        disk.look()
        for line, event in told.new():
            with heard(worker):
                show(line, event, told.state)
        if code is not None:
            told.hear_out()
            if code and not (told.spoke and told.state.ended):
                told.tail.check()  # it said why where nobody can read it
            return _ended(code, told.state if told.spoke else RunState(), worker.folder)
        if until is not None and until(told.state):
            return ExitCode.DONE
        if interrupts.count > asked:
            asked = interrupts.count
            _interrupt(worker, asked)
        time.sleep(_POLL)


def settle(worker: Worker, interrupts: Interrupts) -> None:
    """Once a worker has ended, wait for what ends after it: its report, its trackers.

    So nothing writes into the run folder any more. Ctrl-C leaves it to them; so does time.
    """
    asked, deadline = interrupts.count, time.monotonic() + supervisor.REPORT_PATIENCE
    while worker.poll() is not None and not worker.is_over():
        if interrupts.count > asked or time.monotonic() > deadline:
            tell(_("what follows the run, its report or a tracker, still goes on"))
            return
        time.sleep(_POLL)


@contextlib.contextmanager
def _going_on(worker: Worker) -> Iterator[None]:
    """Say of what ends the following of a worker that lives that the run goes on all the same."""
    try:
        yield
    except (OSError, FarenseError) as error:
        if worker.poll() is not None:
            raise
        told = of_system(error) if isinstance(error, OSError) else error
        hint = _background(worker)
        raise FarenseError(told.title, told.detail, hint, kind=told.kind) from error


def _background(worker: Worker) -> str:
    return _(
        "The run goes on in the background. farense-tui attach {name} follows it, "
        "farense-tui stop {name} stops it."
    ).format(name=worker.folder.name)


@contextlib.contextmanager
def heard(worker: Worker) -> Iterator[None]:
    """Do what writes to stdout; where that takes no more, say that the worker goes on all the same.

    Of a worker that has ended there is nothing to say: the OSError goes on.
    """
    try:
        yield
    except OSError as error:
        if worker.poll() is not None:
            raise
        hush()
        raise FarenseError(
            _("what the run tells cannot be written"),
            error.strerror or str(error),
            _background(worker),
            kind="unheard",
        ) from error


def watch(folder: RunFolder) -> int:
    """Follow a run that somebody else started, as plain lines; Ctrl-C leaves it running."""
    show, told = Lines(folder.read_config()), _Told(folder)
    disk = _Disk(folder)
    try:
        while True:
            disk.look()
            alive = folder.is_alive()
            for line, event in told.new():
                show(line, event, told.state)
            if not alive:
                told.tail.check()
                if not told.state.ended:
                    raise death.explain(folder, describe.status(told.state, False, folder))
                return _ENDS.get(told.state.status, ExitCode.FAILED)
            time.sleep(_POLL)
    except KeyboardInterrupt:
        return ExitCode.DONE


class _Disk:
    """Tells, on stderr and once each time, that a run's disk is full: its record cannot."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._full, self._next = False, 0.0
        self._quiet = Quiet()

    def look(self) -> None:
        """Look every second."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _DISK_POLL
        path, quiet = self._folder.path, self._quiet.look(self._folder.events, now)
        before, self._full = self._full, is_full(path) or (quiet and takes_nothing(path))
        if self._full and not before:
            tell(_("no space on the disk"))
            tell(f"  {self._folder.path}")
            tell(_("The record waits, and so will a checkpoint. Make space, and they go on."))


class _Told:
    """What a run's record tells, from the offset `start` on as it comes; `state` is of all of it.

    Of a record that somebody has cut off, nothing is told twice.
    """

    def __init__(self, folder: RunFolder, start: int = 0) -> None:
        self.tail, self.state = Tail(folder.events), RunState()
        self.spoke = False  # this worker, and not one before it
        self._start, self._seq = start, 0
        self._record: BufferedReader | None = None
        with contextlib.suppress(OSError):
            self._record = plain_file.reading(folder.events)

    def hear_out(self) -> None:
        """Take what the worker said at its end into a record that was moved meanwhile."""
        if self._record is None:
            return
        with self._record as record:
            if self.state.ended:
                return
            record.seek(max(0, record.seek(0, os.SEEK_END) - _END))
            for line in record.read().splitlines():
                if (event := events.decode(line)) and event.seq > self._seq:
                    self.state, self.spoke = reduce(self.state, event), True

    def new(self) -> Iterator[tuple[bytes, events.AnyEvent | None]]:
        """Read what is new, as lines and what they say."""
        while lines := self.tail.read_lines():
            if self.tail.cut:
                self.tail.cut, self.state, self._start = False, RunState(), 0
            at = self.tail.offset - self.tail.pending - sum(len(line) + 1 for line, _event in lines)
            for line, event in lines:
                if event is not None:
                    self.state = reduce(self.state, event)
                if at >= self._start and not (event and 0 < event.seq <= self._seq):
                    self.spoke = True
                    self._seq = event.seq if event else self._seq
                    yield line, event
                at += len(line) + 1


def _interrupt(worker: Worker, times: int) -> None:
    """Say it on stderr: with --json, stdout is the events and nothing else."""
    if times == 1:
        tell(_("stopping: the step is finished and saved; once more kills"))
        supervisor.ask_own(worker, Control.STOP)
    else:
        tell(_("killed"))
        supervisor.ask_own(worker, None)


def _ended(code: int, state: RunState, folder: RunFolder) -> int:
    if state.failure is not None:
        failure = state.failure
        raise FarenseError(
            failure.title,
            failure.detail,
            failure.hint,
            kind=failure.kind,
            exit_code=ExitCode.REFUSED if code == ExitCode.REFUSED else ExitCode.FAILED,
        )
    if _ENDS.get(state.status) != code:  # it said nothing, or another worker did in its place
        raise death.explain_exit(code, folder)
    return code


def tell_files(folder: RunFolder, settings: Report, code: int) -> None:
    """Say where the adapter is, and the report that the worker has left to be written.

    Where there is none it is tried once more, to tell why. In a process of its own: whatever goes
    wrong in it, the run has ended as it has.
    """
    if code == ExitCode.DONE:
        say(_("adapter: {path}").format(path=relative(folder.adapters)))
    for name in settings.trackers:
        _tell_tracker(folder, name)
    if not settings.at_end:
        return
    if make.is_current(folder):
        say(_("report: {path}").format(path=relative(folder.report)))
        return
    command = program("farense_tui", "report", "--update", str(folder.path))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == ExitCode.DONE and folder.report.is_file():
        say(_("report: {path}").format(path=relative(folder.report)))
    elif any(describe.resume_step(folder)):  # else there was no step to report
        why = done.stderr.strip()[-500:]
        tell(_("there is no report: {why}").format(why=why))


def _tell_tracker(folder: RunFolder, name: str) -> None:
    place = trackers.place(folder, name)
    if place.is_dir():
        say(f"{name}: {relative(place)}")
    if why := death.last_words(trackers.log(folder, name), 3):
        tell(_("not tracked to {name}: {error}").format(name=name, error=why))


def _raw(line: bytes, _event: events.AnyEvent | None, _state: RunState) -> None:
    say_record(line)


class Lines:
    """Tells a run in plain lines, one thing a line."""

    def __init__(self, config: Config) -> None:
        """Take the cadence from the run's configuration."""
        self._config = config

    def __call__(self, _line: bytes, event: events.AnyEvent | None, state: RunState) -> None:
        """Print what this event is worth."""
        text = self._text(event, state)
        if text:
            say(text)

    def _text(self, event: events.AnyEvent | None, state: RunState) -> str:
        """Say as the log of the screen does, but more where no screen shows the rest."""
        match event:
            case None | events.RunFailed():  # a failure is told at the end, with its hint
                return ""
            case events.RunStarted():
                return self._started(event)
            case events.Step():
                return self._step(event, state) if self._due(event, state) else ""
            case events.Sample():
                return f"  {event.prompt}\n  > {event.text}"
            case events.Notice():
                said = f"{_LEVELS[event.level]}: {event.message}"
                return "\n  ".join(part for part in (said, event.hint) if part)
        return lines.line(event)[1]

    def _started(self, event: events.RunStarted) -> str:
        text = _(
            "run {run} on {device}: {examples}, {valid} for validation, {steps}, "
            "{trainable} of {total} parameters trained"
        ).format(
            run=event.run,
            device=event.device,
            examples=f.examples(event.train_examples),
            valid=event.valid_examples,
            steps=f.steps(event.total_steps),
            trainable=f.count(event.trainable_parameters),
            total=f.count(event.total_parameters),
        )
        if event.resumed_from_step:
            text += ", " + _("resumed after step {step}").format(step=event.resumed_from_step)
        return text

    def _due(self, event: events.Step, state: RunState) -> bool:
        every = self._config.report.log_every
        return event.step % every == 0 or event.step in (1, state.total_steps)

    def _step(self, event: events.Step, state: RunState) -> str:
        left = remaining_seconds(state, self._config.report)
        return _(
            "step {step}/{total}  epoch {epoch}  loss {loss}  lr {rate}  {speed} tokens/s  "
            "{left} left"
        ).format(
            step=f"{event.step:{len(str(state.total_steps))}}",
            total=state.total_steps,
            epoch=f.epochs(event.epoch),
            loss=f.loss(event.loss),
            rate=f.rate(event.learning_rate),
            speed=f.speed(event.tokens_per_second),
            left=f.duration(left),
        )


_LEVELS = {"info": _("info"), "warning": _("warning"), "error": _("error")}


def accepted(state: RunState) -> bool:
    """Whether the worker has found the data to be right and gone on to the model."""
    return state.phase in ("loading_model", "downloading") or state.started is not None
