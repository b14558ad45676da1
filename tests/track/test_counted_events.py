"""What of a record counts, against the readers that the app has for it."""

from __future__ import annotations

from farense_worker.protocol.messages import events
from farense_worker.protocol.messages.events import AnyEvent
from hypothesis import given
from hypothesis import strategies as st

from farense_tui.engine.record.state import fold
from farense_tui.report.metrics import Metrics
from farense_tui.track.counted_events import Course
from tests.events import started, step, validation


@st.composite
def records(draw: st.DrawFn) -> list[AnyEvent]:
    """Workers that are killed, resume further back or go back by themselves."""
    told: list[AnyEvent] = [started(), validation(0, 0.0)]
    at = 0
    for _ in range(draw(st.integers(1, 6))):
        for _ in range(draw(st.integers(0, 6))):
            at += 1
            told.append(step(at, loss=float(len(told))))
            if at % 3 == 0:
                told.append(validation(at, float(len(told))))
                told.append(events.Sample(step=at, prompt="?", text=str(len(told))))
        back = draw(st.integers(0, at))
        if draw(st.booleans()):
            told.append(started(back))
        at = back
    return told


@given(records())
def test_what_counts_is_what_every_reader_counts(told: list[AnyEvent]) -> None:
    course, metrics = Course(), Metrics()
    for event in told:
        course.take(event)
        metrics.add(event)
    counted = list(course.counting(told))
    steps = [(e.step, e.loss) for e in counted if isinstance(e, events.Step)]
    assert steps == list(zip(metrics.steps, metrics.columns["loss"], strict=True))
    state = fold(told)
    found = [e for e in counted if isinstance(e, events.Validation)]
    assert found == list(state.validations)
    assert all(v.step <= state.step for v in state.validations)
    samples = [e.step for e in counted if isinstance(e, events.Sample)]
    assert len(samples) == len(set(samples))


@given(records(), st.data())
def test_what_is_written_as_it_comes_is_written_anew_when_it_is_superseded(
    told: list[AnyEvent], data: st.DataObject
) -> None:
    """Written up to anywhere, then event by event: never a step twice, never one too few."""
    upto = data.draw(st.integers(0, len(told)))
    course = Course()
    for event in told[:upto]:
        course.take(event)
    written = list(course.counting(told[:upto]))
    for event in told[upto:]:
        again = course.supersedes(event)
        course.take(event)
        written.append(event)
        if again:
            written = list(course.counting(told[: course.read]))
    whole = Course()
    for event in told:
        whole.take(event)
    assert written == list(whole.counting(told))
