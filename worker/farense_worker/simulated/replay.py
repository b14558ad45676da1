"""Play a record again: every event at its recorded distance from the one before."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from farense_worker.process.signals import Control
from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import ExitCode
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.events import Notice, Phase, RunStopped, encode
from farense_worker.protocol.run_folder import disk_error
from farense_worker.protocol.simulation import Simulation

_NAP = 0.05
_SILENCE = 60.0  # seconds; a heartbeat comes every two


def play(played: Simulation, record: int, control: Control) -> int:
    """Write the record's lines when their time has come; the exit code.

    A stop ends it, a pause holds it. Hours in which no worker was at it are left out, and of a
    night in which the machine slept all but a minute.
    """
    shift, before = 0.0, played.origin
    _write(record, encode(_notice(played)))
    for line, at, new_worker in _lines(Path(played.record)):
        away = max(0.0, at - before)
        shift += away if new_worker else max(0.0, away - _SILENCE)
        before = at
        while (left := played.real(at - shift) - time.time()) > 0 or control.asked.pause:
            if control.asked.stop:
                _write(record, encode(RunStopped(time=at - shift, reason="stopped", step=0)))
                return ExitCode.STOPPED
            if control.asked.pause:
                shift -= _hold(played, record, control)
            else:
                time.sleep(min(left, _NAP))
        line["time"] = at - shift
        _write(record, msgspec.json.encode(line) + b"\n")
    return ExitCode.DONE


def _lines(record: Path) -> Iterator[tuple[dict[str, Any], float, bool]]:
    """Go through the events: each with its time, and whether it is a worker's first."""
    with plain_file.reading(record) as file:
        for raw in file:
            try:
                line = msgspec.json.decode(raw)
                at = float(line["time"])
            except (KeyError, TypeError, ValueError, RecursionError):
                continue
            yield line, at, line.get("type") == "phase" and line.get("name") == "starting"


def _hold(played: Simulation, record: int, control: Control) -> float:
    """Wait until it goes on; how long that was on the played clock."""
    began = played.now()
    _write(record, encode(Phase(time=began, name="paused")))
    while control.asked.pause and not control.asked.stop:
        time.sleep(_NAP)
    control.resume()
    _write(record, encode(Phase(time=played.now(), name="training")))
    return played.now() - began


def _notice(played: Simulation) -> Notice:
    return Notice(
        time=played.origin,
        level="info",
        code="replay",
        message=_("A replay at {speed:g} times the speed: nothing is being trained.").format(
            speed=played.speed
        ),
    )


def _write(record: int, data: bytes) -> None:
    try:
        while data:
            data = data[os.write(record, data) :]
    except OSError as error:
        raise disk_error(error, Path(_("the record"))) from error
