"""Nothing is lost: a run that is killed, stopped in its last step or out of disk ends the same."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.record.state import RunState
from farense_tui.engine.runs import supervisor
from farense_tui.engine.runs.supervisor import Control, Worker
from farense_tui.engine.verify.outcome import different, furthest, results, state_of
from farense_tui.engine.verify.row import Row, judged
from farense_tui.engine.verify.workshop import Workshop

GROUP = _("nothing is lost")
_PATIENCE = 300.0  # seconds, for what has to come
_LOOK = 0.001
_TRIES = 3
# Where two runs of the same are not byte-equal, a resumed one may be so many times as far off.
_AS_FAR = 10
_SAME = _("byte-equal")


@dataclass(frozen=True)
class Reference:
    """A run that nothing disturbed, and how far another such run was from it."""

    folder: RunFolder
    state: RunState
    results: dict[str, Any]
    spread: float
    same: bool


def rows(workshop: Workshop, dice: random.Random, *, gpu: bool) -> Iterator[Row]:
    """Try all of it. dice: draws the moments."""
    found = reference(workshop)
    said = _SAME if found.same else f"{found.spread:.1e}"
    verdict = judged(found.same, must=not gpu)
    figures = {"spread": found.spread}
    yield Row(GROUP, "twice", _("two runs of the same"), _SAME, said, verdict, figures=figures)
    yield killed(workshop, found, dice)
    yield stopped_last(workshop, found)
    yield full_disk(workshop, found)


def reference(workshop: Workshop) -> Reference:
    """Train twice, undisturbed."""
    one, two = (workshop.run(name) for name in ("reference", "again"))
    states = [workshop.finish(folder) for folder in (one, two)]
    known, again = results(one), results(two)
    return Reference(one, states[0], known, furthest(*states), known == again)


def killed(workshop: Workshop, against: Reference, dice: random.Random) -> Row:
    """Kill the worker by SIGKILL at a random moment, and what resumes it once more."""
    folder = workshop.run("killed")
    told = against.folder.events.read_bytes().splitlines()
    first = next(at for at, line in enumerate(told) if b'"type":"step"' in line)
    where = []
    for earliest in (first + 1, first // 2):  # the second soon after its start, before it is done
        at = dice.randrange(earliest, earliest + (len(told) - first) // 2)
        phase = kill(folder, at, dice.random() * 0.05, workshop.launch)
        where.append(f"{phase} {state_of(folder).step}")
    workshop.finish(folder)
    detail = _("killed while {where}").format(where=", ".join(where))
    return _compared("killed", _("kill -9 twice, and resume"), folder, against, detail)


def kill(
    folder: RunFolder,
    events: int,
    delay: float,
    launch: Callable[[RunFolder], Worker] = supervisor.launch,
) -> str:
    """Start the worker and kill it after so many lines of its record; the phase it was in."""
    before = _lines(folder)
    worker = launch(folder)
    while worker.poll() is None and _lines(folder) < before + events:
        time.sleep(_LOOK)
    time.sleep(delay)
    worker.process.kill()
    worker.wait()
    state = state_of(folder)
    return state.phase or f"({state.status})"


def stopped_last(workshop: Workshop, against: Reference) -> Row:
    """Ask for a stop while the last step is computed, and resume what is left."""
    name, check = "stopped_last", _("a stop in the last step")
    last = against.state.total_steps
    for number in range(_TRIES):
        folder = workshop.run(f"stopped-{number}")
        worker = workshop.launch(folder)
        wait_for(lambda: state_of(folder).step >= last - 1, worker)  # noqa: B023 - called at once
        supervisor.send(folder, Control.STOP)
        code = worker.wait()
        state = state_of(folder)
        if code == ExitCode.STOPPED:
            break
    detail = _("stopped after step {step} of {last}").format(step=state.step, last=last)
    if code == ExitCode.STOPPED:
        workshop.finish(folder)
    else:
        detail = _("it was done before the stop came")
    return _compared(name, check, folder, against, detail)


def full_disk(workshop: Workshop, against: Reference) -> Row:
    """Let the disk be full from some step on, and have space again once a checkpoint failed."""
    folder = workshop.run("full-disk")
    full, refused = workshop.runs / "full", workshop.runs / "refused"
    worker = workshop.launch(folder, "farense_worker.verify.full_disk")
    wait_for(lambda: state_of(folder).step >= 2, worker)
    full.touch()

    def was_refused() -> bool:
        return refused.exists() and {"record", "checkpoint"} <= set(refused.read_text().split())

    try:
        wait_for(was_refused, worker)
    finally:
        full.unlink(missing_ok=True)
    state = workshop.ended(folder, worker)
    counted = _lines(folder)
    detail = _("{n} events, none missing").format(n=counted)
    if counted != state.last_seq:
        detail = _("{n} of {all} events are there").format(n=counted, all=state.last_seq)
    row = _compared("full_disk", _("a full disk, and space again"), folder, against, detail)
    refused.unlink()
    if counted != state.last_seq:
        return Row(GROUP, row.name, row.check, row.expected, detail, "fails")
    return row


def _compared(name: str, check: str, folder: RunFolder, against: Reference, detail: str) -> Row:
    """Compare a run that was disturbed with the one that was not."""
    differ = different(results(folder), against.results)
    far = furthest(state_of(folder), against.state)
    figures = {"difference": far, "spread": against.spread}
    if against.same:
        said = _("different: {what}").format(what=", ".join(differ)) if differ else _SAME
        return Row(GROUP, name, check, _SAME, said, judged(not differ), detail, figures)
    allowed = _AS_FAR * against.spread
    steps = len(state_of(folder).loss) == len(against.state.loss)
    holds = steps and far <= allowed
    said = _SAME if not differ else f"{far:.1e}"
    return Row(GROUP, name, check, f"≤ {allowed:.1e}", said, judged(holds), detail, figures)


def wait_for(there: Callable[[], bool], worker: Worker) -> None:
    """Wait until something is so; FarenseError if the worker ends before."""
    deadline = time.monotonic() + _PATIENCE
    while not there():
        ended = worker.poll() is not None
        if ended and there():
            return
        if ended or time.monotonic() > deadline:
            raise FarenseError(
                _("the run {name} ended too early").format(name=worker.folder.name), kind="verify"
            )
        time.sleep(_LOOK)


def _lines(folder: RunFolder) -> int:
    try:
        return folder.events.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def stop_for_good(worker: Worker) -> None:
    """Kill a worker with all that it has started."""
    os.killpg(worker.process.pid, signal.SIGKILL)
    worker.wait()
