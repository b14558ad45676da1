"""A run that is only played: which scenario or record, and how fast.

`simulation.json` in a run folder says so. The worker's stand-in, `python -m
farense_worker.simulated RUN`, reads it, and so does whoever watches: both take the time from it, so
a played hour of a minute looks like an hour on the screen.
"""

from __future__ import annotations

import time
from math import isfinite
from pathlib import Path

import msgspec
from msgspec import Struct

from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _

FILE = "simulation.json"
MOST = 1e6

SCENARIOS = {
    "ok": _("a healthy run to its end"),
    "slow": _("a run that becomes three times slower, as a hot machine does"),
    "nan": _("NaN, two rollbacks, and then the end; half the learning rate cures it"),
    "diverge": _("a loss that falls and then climbs; half the learning rate cures it"),
    "explode": _("a loss above 1000; half the learning rate cures it"),
    "flat": _("a loss that does not fall"),
    "overfit": _("a validation loss that rises while the training loss falls"),
    "memory": _("memory near the limit; a smaller micro-batch cures it"),
    "oom": _("the GPU runs out of memory; a smaller micro-batch cures it"),
    "oom-kill": _("the system kills the worker"),
    "crash": _("a native crash, with a last word in the log only"),
    "watchdog": _("macOS stops the GPU work that is in the way of the display"),
    "disk-full": _("a checkpoint that cannot be written"),
    "cpu": _("training on a Mac's CPU instead of its GPU"),
    "truncated": _("a third of the rows is longer than max_seq_length"),
    "sleep": _("a machine that sleeps for an hour"),
    "clock": _("a clock that is set back"),
    "stall-download": _("a download that stands still"),
    "stall-load": _("a model that is never loaded"),
    "stall-tokenize": _("texts that are never all turned into tokens"),
    "stall-validation": _("a first validation that stands still"),
    "stall-compile": _("a first step that never ends"),
    "stall-step": _("a step in the middle that never ends"),
    "stall-save": _("a checkpoint that is never done"),
    "frozen": _("a worker that gives no sign of life"),
    "deaf": _("a worker that does not heed a request to stop"),
    "flood": _("5,000 events a second"),
}


class Simulation(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is played. Times in Unix seconds.

    At the moment `since` the played clock stands at `origin`; from there it runs `speed` times as
    fast as the real one. `record` is the events.jsonl that is replayed, empty for a scenario.
    `owner` is the process whose end ends the play, and takes the folder of its runs away; 0 for
    none.
    """

    scenario: str = ""
    record: str = ""
    speed: float = 1.0
    since: float = 0.0
    origin: float = 0.0
    owner: int = 0

    def now(self) -> float:
        """Time on the played clock."""
        return self.origin + (time.time() - self.since) * self.speed

    def real(self, played: float) -> float:
        """Real time at which the played clock shows `played`."""
        return self.since + (played - self.origin) / self.speed


def check_speed(speed: float) -> float:
    """Give the speed back if it can be played; FarenseError (refused) if not."""
    if not (isfinite(speed) and 0 < speed <= MOST):
        raise refused(
            _("a speed of {speed:g} cannot be played").format(speed=speed),
            hint=_("Above 0, at most {most:g}.").format(most=MOST),
        )
    return speed


def read(folder: Path) -> Simulation | None:
    """Say what is played in a run folder; None for a real run. FarenseError if it is unreadable."""
    try:
        return msgspec.json.decode(plain_file.read(folder / FILE, follow=True), type=Simulation)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        title = _("{path} cannot be read").format(path=folder / FILE)
        detail = getattr(error, "strerror", None) or str(error)
        raise refused(title, detail, kind="simulation") from error


def write(folder: Path, simulation: Simulation) -> None:
    """Mark a run folder as one that is played."""
    (folder / FILE).write_bytes(msgspec.json.encode(simulation))
