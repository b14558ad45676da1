"""The metrics files: every step exactly, and nothing that a resume has superseded."""

from __future__ import annotations

import csv
import io
import json
from math import nan
from typing import Any

from farense_worker.protocol.messages import events
from farense_worker.protocol.messages.events import wire
from hypothesis import given
from hypothesis import strategies as st

from farense_tui.engine.record.state import fold
from farense_tui.report import metrics
from farense_tui.report.metrics import Metrics
from tests.events import started, step, validation

numbers = st.floats(allow_nan=False, allow_infinity=False)


def gathered(*stream: events.AnyEvent) -> Metrics:
    found = Metrics()
    for event in stream:
        found.add(event)
    return found


def table(*stream: events.AnyEvent) -> list[dict[str, str]]:
    text = metrics.as_csv(gathered(*stream), fold(stream))
    return list(csv.DictReader(io.StringIO(text)))


def test_a_row_for_each_step_with_its_validation() -> None:
    first = step(1, active_memory=1 << 40, micro_batches=2)
    rows = table(started(0), validation(0, 3.0), first, step(2, loss=0.1), validation(2, 0.7))
    assert [(row["step"], row["loss"], row["validation_loss"]) for row in rows] == [
        ("0", "", "3.0"),
        ("1", "1.0", ""),
        ("2", "0.1", "0.7"),
    ]
    assert rows[1]["active_memory"] == str(1 << 40)
    assert rows[1]["micro_batches"] == "2"


def test_what_is_not_finite_is_empty_or_null() -> None:
    stream = (started(0), step(1, loss=wire(nan)))
    assert table(*stream)[0]["loss"] == ""
    said = json.loads(metrics.as_json(gathered(*stream), fold(stream)))
    assert said["steps"]["loss"] == [None]


def test_a_resume_drops_the_steps_after_it() -> None:
    rows = table(started(0), *map(step, range(1, 6)), started(3), step(4, loss=9.0))
    assert [(row["step"], row["loss"]) for row in rows][2:] == [("3", str(1 / 3)), ("4", "9.0")]


def test_a_step_that_comes_again_takes_the_place_of_the_first() -> None:
    assert [row["loss"] for row in table(started(0), step(1), step(2), step(2, loss=5.0))] == [
        "1.0",
        "5.0",
    ]


@given(st.lists(st.tuples(numbers, numbers), max_size=20))
def test_every_digit_is_kept(values: list[tuple[float, float]]) -> None:
    stream = [step(at, loss=loss, learning_rate=rate) for at, (loss, rate) in enumerate(values, 1)]
    rows = table(started(0), *stream)
    assert [(float(row["loss"]), float(row["learning_rate"])) for row in rows] == values
    said: dict[str, Any] = json.loads(metrics.as_json(gathered(*stream), fold(stream)))
    assert said["steps"]["loss"] == [loss for loss, _ in values]
