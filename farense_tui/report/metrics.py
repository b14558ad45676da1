"""A run's figures for other programs: every step, exactly, and a summary.

The state holds of a long run's past only what a chart needs, so the steps are gathered here as
they stand in the record. What a resume has superseded is dropped as everywhere.
"""

from __future__ import annotations

import csv
import io
import json
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from math import isfinite
from typing import Any

import msgspec
from farense_worker.protocol.messages import events
from farense_worker.protocol.messages.events import number
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Config

from farense_tui.engine.record.state import RunState
from farense_tui.engine.record.superseded import kept_until

# Columns of the table, but for the step, in their order.
FIELDS = (
    "epoch",
    "loss",
    "learning_rate",
    "grad_norm",
    "tokens",
    "padded_tokens",
    "micro_batches",
    "seconds",
    "tokens_per_second",
    "active_memory",
    "cache_memory",
    "peak_memory",
)
_WHOLE = {
    "tokens",
    "padded_tokens",
    "micro_batches",
    "active_memory",
    "cache_memory",
    "peak_memory",
}


class Metrics:
    """The steps of a run, a column for each figure."""

    def __init__(self) -> None:
        """None yet."""
        self.steps = array("q")
        self.columns = {field: array("d") for field in FIELDS}

    def add(self, event: events.AnyEvent) -> None:
        upto = kept_until(event, self.steps[-1] if self.steps else 0)
        if upto is not None:
            self._keep(bisect_right(self.steps, upto))
        if isinstance(event, events.Step):
            self.steps.append(event.step)
            for field, column in self.columns.items():
                column.append(number(getattr(event, field)))

    def rows(self) -> Iterator[tuple[int, list[float | int | None]]]:
        """Go through the steps; what is not finite is None."""
        for at, step in enumerate(self.steps):
            yield step, [_cell(field, self.columns[field][at]) for field in FIELDS]

    def _keep(self, count: int) -> None:
        del self.steps[count:]
        for column in self.columns.values():
            del column[count:]


def as_csv(metrics: Metrics, state: RunState) -> str:
    """Write training_metrics.csv: a row for each step, and for the validation before the first.

    Every digit is kept; what is not finite or not known is empty.
    """
    validations = {each.step: each for each in state.validations}
    first = metrics.steps[0] if metrics.steps else 0
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["step", *FIELDS, "validation_loss", "validation_perplexity"])
    for step in sorted(step for step in validations if step < first):
        table.writerow([step, *[None] * len(FIELDS), *_validated(validations.get(step))])
    for step, cells in metrics.rows():
        table.writerow([step, *cells, *_validated(validations.get(step))])
    return file.getvalue()


def as_json(metrics: Metrics, state: RunState) -> str:
    """Write training_metrics.json: the steps by column, then what happened at some of them."""
    steps: dict[str, list[Any]] = {"step": list(metrics.steps)}
    for field in FIELDS:
        steps[field] = [_cell(field, value) for value in metrics.columns[field]]
    found = {
        "run": state.run,
        "steps": steps,
        "validations": [_plain(each) for each in state.validations],
        "samples": [_plain(each) for each in state.samples],
        "checkpoints": [_plain(each) for each in state.checkpoints],
        "notices": [_plain(each) for each in state.notices],
    }
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")) + "\n"


def summary(
    folder: RunFolder, config: Config | None, state: RunState, status: str
) -> dict[str, Any]:
    """Give what training_summary.json holds: the run in some figures."""
    started = state.started
    return {
        "run": folder.name,
        "status": status,
        "model": config.model.repo if config else None,
        "data": config.data.path if config else None,
        "profile": config.run.profile_name if config else None,
        "started": state.first_time or None,
        "ended": state.last_time or None,
        "elapsed_seconds": state.elapsed,
        "training_seconds": state.active_seconds,
        "workers": state.workers,
        "step": state.step,
        "total_steps": state.total_steps,
        "epoch": state.epoch,
        "loss": _finite(state.loss.last),
        "best_validation": _plain(state.best) if state.best else None,
        "last_validation": _plain(state.validations[-1]) if state.validations else None,
        "tokens": state.tokens,
        "padded_tokens": state.padded_tokens,
        "tokens_per_second": state.usual_speed,
        "peak_memory": state.highest_peak,
        "memory_limit": started.memory_limit if started else None,
        "trainable_parameters": started.trainable_parameters if started else None,
        "total_parameters": started.total_parameters if started else None,
        "train_examples": started.train_examples if started else None,
        "valid_examples": started.valid_examples if started else None,
        "device": started.device if started else None,
        "versions": started.versions if started else None,
        "failure": _plain(state.failure) if state.failure else None,
        "notices": len(state.notices),
        "config": msgspec.to_builtins(config) if config else None,
        "last_seq": state.last_seq,
    }


def _validated(found: events.Validation | None) -> list[float | None]:
    return [found.loss, found.perplexity] if found else [None, None]


def _plain(event: events.Event) -> dict[str, Any]:
    """Give an event's own fields."""
    found: dict[str, Any] = msgspec.to_builtins(event)
    return {key: value for key, value in found.items() if key not in ("type", "seq")}


def _cell(field: str, value: float) -> float | int | None:
    if not isfinite(value):
        return None
    return int(value) if field in _WHOLE else value


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
