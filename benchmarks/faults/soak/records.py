"""Damaged records: through the state, the monitor's parts and the report."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

from farense_worker.protocol.run_folder import RunFolder

from benchmarks.common import SETTINGS, write_data
from benchmarks.faults.soak import mutate
from benchmarks.faults.soak.tally import Tally
from farense_tui.engine.health.observe import Observer
from farense_tui.engine.record.record import Record
from farense_tui.engine.runs import describe
from farense_tui.engine.runs.watch import Watch
from farense_tui.report import metrics
from farense_tui.report.make import _read as figures
from farense_tui.report.page import page
from farense_tui.ui.charts import chart_data
from farense_tui.ui.monitor.outcome import outcome
from farense_tui.ui.monitor.post_mortem import signs
from farense_tui.ui.monitor.run_facts import facts
from farense_tui.ui.monitor.run_view import view
from tests import micro_model
from tests.real_runs import RunMaker, finish
from tests.ui.monitor_host import held

_LINES = 2_000  # a record
_NEVER: tuple[type[Exception], ...] = ()


def soak(place: Path, dice: random.Random, more: Callable[[], bool], tally: Tally) -> None:
    """While there is more, records of real lines of which a tenth to all are damaged."""
    make = RunMaker(place / "runs", micro_model.make(place / "model"), write_data(place / "data"))
    folder = make("run", **SETTINGS)
    finish(folder)
    real = folder.events.read_bytes().splitlines()
    values = [json.loads(line) for line in real]
    while more():
        share = dice.choice((0.02, 0.1, 0.5, 1.0))
        lines = [
            damaged(dice, real, values) if dice.random() < share else dice.choice(real)
            for _ in range(_LINES)
        ]
        record = b"\n".join(lines) + dice.choice((b"\n", b""))
        folder.events.write_bytes(record)
        folder.note.unlink(missing_ok=True)
        tally.count("lines", _LINES)
        for kind, do in looks(folder).items():
            tally.try_(kind, record, do, _NEVER)


def damaged(dice: random.Random, real: list[bytes], values: list[Any]) -> bytes:
    at = dice.randrange(len(real))
    return mutate.as_json(dice, values[at]) if dice.random() < 0.7 else mutate.raw(dice, real[at])


def looks(folder: RunFolder) -> dict[str, Callable[[], object]]:
    """All who read a record."""

    def screen() -> None:
        with held(folder):
            alive = Watch(folder).look(time.time())
            Observer(folder).look(alive)
        for seen in (alive, Watch(folder).look(time.time())):
            view(seen)
            facts(seen)
            outcome(seen, None)
            signs(seen)
            for subject in chart_data.SUBJECTS:
                chart_data.of(seen.state, subject)

    def state() -> None:
        Record(folder).read(inf)
        describe.summarise(folder)

    def report() -> None:
        found, folded = figures(folder)
        config, _fault = describe.configuration(folder)
        status = describe.status(folded, False)
        metrics.as_csv(found, folded)
        metrics.as_json(found, folded)
        metrics.summary(folder, config, folded, status)
        page(folder.name, config, folded, status)

    return {"states": state, "screens": screen, "reports": report}
