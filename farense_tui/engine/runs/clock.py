"""The one place where the screens ask for the time, so that tests can stop it.

A run that is played, a scenario or a record, has a clock of its own, which may run faster.
"""

from __future__ import annotations

import time

from farense_worker.protocol.simulation import Simulation

_played: list[Simulation] = []


def now() -> float:
    """Unix seconds."""
    return _played[-1].now() if _played else time.time()


def play(simulation: Simulation | None) -> None:
    """Take the time from a played run; from the system again with None."""
    _played[:] = [simulation] if simulation else []
