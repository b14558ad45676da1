"""The whole of `farense-tui verify`, check by check."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _

from farense_tui.engine.machine import hardware
from farense_tui.engine.verify import (
    arithmetic,
    computed,
    curves,
    figures,
    memory,
    readings,
    survival,
)
from farense_tui.engine.verify.outcome import state_of
from farense_tui.engine.verify.row import Row
from farense_tui.engine.verify.survival import stop_for_good, wait_for
from farense_tui.engine.verify.workshop import Workshop

PAIRS, BENCH_PAIRS = 1, 5


def rows(
    model: str, *, bench: bool = False, compiled: str = "auto", seed: int = 0
) -> Generator[Row]:
    """Check everything; a row as soon as it is known. Closing it ends whatever runs.

    model: `embedded`, a folder or a repository. bench: measure speed longer, and the arithmetic
    that a step comes to. compiled: train.compile of the runs. seed: of the moments at which runs
    are killed.
    """
    gpu = hardware.machine().backend != "CPU"
    with Workshop(model, compiled) as workshop:
        parts: list[tuple[str, str, Callable[[], Iterator[Row]]]] = [
            (computed.GROUP, "computed", lambda: computed.rows(workshop)),
            (curves.GROUP, "curves", lambda: curves.rows(workshop)),
            (
                survival.GROUP,
                "survival",
                lambda: survival.rows(workshop, random.Random(seed or time.time_ns()), gpu=gpu),
            ),
            (memory.GROUP, "memory", lambda: memory.rows(workshop)),
            (readings.GROUP, "readings", lambda: _readings(workshop)),
            (
                figures.GROUP,
                "speed",
                lambda: figures.rows(workshop, BENCH_PAIRS if bench else PAIRS),
            ),
            (figures.GROUP, "screen", lambda: figures.watching(workshop)),
        ]
        if bench:
            parts.append((figures.GROUP, "arithmetic", lambda: arithmetic.rows(workshop, gpu=gpu)))
        for group, name, part in parts:
            yield from _told(group, name, part)


def _told(group: str, name: str, part: Callable[[], Iterator[Row]]) -> Iterator[Row]:
    """Give a part's rows; what breaks it off is a row that fails, and the others go on."""
    try:
        yield from part()
    except FarenseError as error:
        why = "; ".join(filter(None, (error.title, error.detail[-300:])))
        yield Row(group, name, _("all of this"), _("done"), error.title, "fails", why)


def _readings(workshop: Workshop) -> Iterator[Row]:
    """Read while a worker trains."""
    folder = workshop.run("read", train__epochs=1000)
    worker = workshop.launch(folder)
    wait_for(lambda: state_of(folder).step >= 1, worker)
    try:
        yield from readings.rows(worker.process.pid)
    finally:
        stop_for_good(worker)


def place(folder: Path, when: float) -> Path:
    """Name the record of one verification."""
    return folder / time.strftime("verify-%Y%m%d-%H%M%S", time.localtime(when))
