"""What of a record counts, against the readers that the app has for it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from farense_tui.engine.state import fold
from farense_tui.report.metrics import Metrics
from farense_tui.track.course import Course
from worker.protocol import events
from worker.protocol.events import AnyEvent

_STARTED = events.RunStarted(
    protocol=1,
    run="r",
    pid=1,
    device="cpu",
    versions={},
    trainable_parameters=1,
    total_parameters=1,
    total_steps=100,
)


def step(number: int, loss: float) -> events.Step:
    return events.Step(
        step=number,
        epoch=0.0,
        loss=loss,
        learning_rate=0.1,
        grad_norm=1.0,
        tokens=1,
        padded_tokens=1,
        micro_batches=1,
        seconds=1.0,
        tokens_per_second=1.0,
        active_memory=1,
        cache_memory=1,
        peak_memory=1,
    )


def validation(number: int, loss: float) -> events.Validation:
    return events.Validation(
        step=number, epoch=0.0, loss=loss, perplexity=1.0, tokens=1, seconds=1.0, best=False
    )


@st.composite
def records(draw: st.DrawFn) -> list[AnyEvent]:
    """Workers that are killed, resume further back or go back by themselves."""
    told: list[AnyEvent] = [_STARTED, validation(0, 0.0)]
    at = 0
    for _ in range(draw(st.integers(1, 6))):
        for _ in range(draw(st.integers(0, 6))):
            at += 1
            told.append(step(at, float(len(told))))
            if at % 3 == 0:
                told.append(validation(at, float(len(told))))
                told.append(events.Sample(step=at, prompt="?", text=str(len(told))))
        back = draw(st.integers(0, at))
        if draw(st.booleans()):
            told.append(replace(_STARTED, resumed_from_step=back))
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
    upto = max(state.step, 0)
    assert [v for v in found if v.step <= upto] == [v for v in state.validations if v.step <= upto]
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
