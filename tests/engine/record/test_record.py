"""A record that is read in bulk, in pieces or from a note comes to what its events come to."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Sequence
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any

import pytest
from farense_worker.protocol.messages import events as e
from farense_worker.protocol.run_folder import RunFolder
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from farense_tui.engine.record import buckets, point_buffer, record, series, tail
from farense_tui.engine.record.figures import reduce_figures
from farense_tui.engine.record.log import Journal
from farense_tui.engine.record.point_buffer import Points
from farense_tui.engine.record.record import Record, stretches
from farense_tui.engine.record.state import RunState, fold, reduce
from farense_tui.engine.record.unaccounted_time import Gap
from farense_tui.engine.runs.watch import Watch
from tests.engine.record.test_state import any_event, any_step
from tests.events import heartbeat, started, step

beat = st.builds(
    lambda at, rss, awake: heartbeat(time=at, rss=rss, active_memory=rss // 2, monotonic=awake),
    st.floats(0, 500),
    st.integers(0, 1 << 40),
    st.just(0.0) | st.floats(1, 300),
)
times = st.floats(0, 500)
anything = st.lists(st.one_of(any_event, any_step, beat), max_size=80)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buckets and notes after some tens of steps, as if the runs were long."""
    monkeypatch.setattr(series, "MOST", 16)
    monkeypatch.setattr(point_buffer, "KEPT", 8)
    monkeypatch.setattr(buckets, "_SIZE", 2)
    monkeypatch.setattr(buckets, "_MOST", 6)
    monkeypatch.setattr(record, "_WORTH", 1)


def written(place: str, events: Sequence[e.Event]) -> RunFolder:
    folder = RunFolder(Path(place))
    folder.events.write_bytes(b"".join(map(e.encode, events)))
    return folder


def read(folder: RunFolder) -> Record:
    made = Record(folder)
    made.read(inf)
    return made


def in_bulk(events: list[e.AnyEvent]) -> RunState:
    state = RunState()
    for figures, event in stretches(events):
        state = reduce_figures(state, figures)
        state = reduce(state, event) if event else state
    return state


@given(anything)
def test_in_bulk_is_one_by_one(events: list[e.AnyEvent]) -> None:
    assert in_bulk(events) == fold(events)


@given(anything, st.integers(0, 80), st.integers(200, 4000))
def test_from_a_note_and_in_pieces_it_is_the_same(
    events: list[e.AnyEvent], cut: int, piece: int
) -> None:
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tail.Tail.read, "__defaults__", (piece,))
        read(written(place, events[:cut]))
        noted = read(written(place, events))
        noted.read(inf)
        assert bool(record._read(noted._folder.note)) == noted._folder.note.exists()
        noted._folder.note.unlink(missing_ok=True)
        plain = read(noted._folder)
        assert noted.state == plain.state
        assert noted.journal.publish() == plain.journal.publish()


@given(st.lists(st.integers(0, 60), max_size=4))
def test_however_far_back_a_resume_goes_no_superseded_step_is_left(resumes: list[int]) -> None:
    """The truth is a dictionary; buckets must have neither more nor less."""
    events: list[e.Event] = []
    truth: dict[int, float] = {}
    for segment, upto in enumerate([0, *resumes]):
        upto = min(upto, max(truth, default=0))
        truth = {at: loss for at, loss in truth.items() if at <= upto}
        events.append(started(upto, seq=len(events) + 1))
        for at in range(upto + 1, upto + 60):
            truth[at] = float(1000 * segment + at)
            events.append(step(at, loss=truth[at], seq=len(events) + 1))
    with tempfile.TemporaryDirectory() as place:
        state = read(written(place, events)).state
    assert len(state.loss) == len(truth)
    whole = state.loss.columns(1)[0]
    assert (whole.low, whole.high) == (min(truth.values()), max(truth.values()))
    assert (state.tokens, state.step) == (100 * len(truth), max(truth))
    assert len(state.loss.points().steps) + len(state.loss.points().head) < 40


def test_a_note_is_not_trusted_over_the_record(tmp_path: Path) -> None:
    events = [started(), *(step(n) for n in range(1, 40))]
    folder = written(str(tmp_path), events)
    read(folder)
    assert folder.note.exists()
    lines = folder.events.read_bytes().splitlines(keepends=True)
    lines[20] = e.encode(step(20, loss=7.25))
    folder.events.write_bytes(b"".join(lines))
    assert read(folder).state.loss.columns(1)[0].high == 7.25
    folder.events.write_bytes(b"".join(lines[:10]))
    assert read(folder).state.step == 9


@given(st.data())
def test_a_damaged_note_is_passed_over(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = written(place, [started(), *(step(n) for n in range(1, 40))])
        state = read(folder).state
        note = bytearray(folder.note.read_bytes())
        at = data.draw(st.integers(0, len(note) - 1))
        note[at] ^= data.draw(st.integers(1, 255))
        folder.note.write_bytes(note[: data.draw(st.sampled_from([len(note), at]))])
        assert read(folder).state == state


def _past(**changes: float) -> series.Series:
    """A bucket of two points, and one thing about it that is not so."""
    bucket = buckets.Bucket(1, 2, 0.5, 0.5, 1.0, 1.5, 2, 2)._replace(**changes)
    return series.Series(Points(head=buckets.Buckets().added([bucket])))


def _points(steps: list[float], values: list[float]) -> series.Series:
    return series.Series(Points(array("d", steps), array("d", values)), len(steps))


@pytest.mark.parametrize(
    "lie",
    [
        {"loss": _points([1.0], [])},
        {"loss": _points([2.0, 1.0], [1.0, 1.0])},
        {"loss": _points([nan], [1.0])},
        {"loss": _points([inf], [1.0])},
        {"loss": _past(points=2.0**60)},
        {"loss": _past(points=-1.0)},
        {"loss": _past(finite=3)},
        {"loss": _past(low=nan)},
        {"loss": _past(high=inf)},
        {"loss": _past(total=inf)},
        {"loss": _past(finite=0)},
        {"loss": _past(start=3)},
        {"tokens_so_far": _points([1.0], [nan])},
        {"padded_tokens_so_far": _points([1.0], [inf])},
        {"last_time": -1e30},
        {"first_time": 1e30},
        {"phase_since": nan},
        {"elapsed": inf},
        {"epoch": inf},
        {"step": 1 << 60},
        {"gaps": (Gap(1e30, 1),)},
        {"last_step": step(1, seconds=inf)},
        {"heartbeat": heartbeat(time=1e30)},
    ],
    ids=lambda lie: next(iter(lie)),
)
def test_a_note_of_what_no_record_comes_to_is_passed_over(
    tmp_path: Path, lie: dict[str, Any]
) -> None:
    """Its checksum is no secret: a run folder from somebody else may have any."""
    folder = written(str(tmp_path), [started(), *(step(n) for n in range(1, 40))])
    state = read(folder).state
    note = record._read(folder.note)
    assert note is not None
    record._write(folder.note, replace(note, state=replace(state, run="known")))
    assert read(folder).state.run == "known"
    record._write(folder.note, replace(note, state=replace(state, **lie)))
    assert read(folder).state == state


def test_a_folder_that_cannot_be_written_to_is_read_all_the_same(tmp_path: Path) -> None:
    folder = written(str(tmp_path), [started(), *(step(n) for n in range(1, 40))])
    folder.note.mkdir()
    assert read(folder).state.step == 39


@given(st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(inf)), max_size=300), st.integers(1, 60))
def test_no_extreme_is_lost_in_buckets(values: list[float], count: int) -> None:
    made = series.Series()
    for at, value in enumerate(values, 1):
        made = made.appended(at, value)
    finite = [value for value in values if isfinite(value)]
    columns = made.columns(count)
    assert sum(column.points for column in columns) == len(finite)
    assert min((c.low for c in columns), default=None) == min(finite, default=None)
    assert max((c.high for c in columns), default=None) == max(finite, default=None)
    assert bool(made.not_finite()) == (len(finite) < len(values))
    assert len(made) == len(values)


def test_steps_in_bulk_have_the_same_log() -> None:
    one, other = Journal(7), Journal(7)
    steps = [step(n) for n in range(1, 9000)]
    for each in steps:
        one.add(each)
    other.add_steps(steps)
    assert one.publish() == other.publish()
    assert one.noted() == other.noted()


def test_a_glimpse_has_the_newest_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(str(tmp_path), [started(), *(step(n, seq=n) for n in range(1, 400))])
    monkeypatch.setattr(record, "_GLIMPSE", 2000)
    whole, seen = read(folder).state, record.glimpse(folder)
    assert seen is not None
    assert (seen.step, seen.started, seen.last_step) == (399, whole.started, whole.last_step)
    assert len(seen.loss) < len(whole.loss)
    first = Watch(folder).look(0.0, patience=inf)
    assert first.state == whole
    folder.note.unlink()
    monkeypatch.setattr(tail.Tail.read, "__defaults__", (500,))
    part = Watch(folder).look(0.0, patience=-1.0)
    assert part.read < 1
    assert part.state.step == 399
    monkeypatch.setattr(record, "_WORTH", 1 << 30)
    assert record.glimpse(folder) is None
    assert record.glimpse(RunFolder(tmp_path / "gone")) is None


@pytest.mark.parametrize("by", [5 * 3600.0, -7 * 3600.0])
def test_a_clock_that_is_set_and_a_sleep_are_not_elapsed(by: float) -> None:
    """A run of half a minute was told to have taken five hours."""
    beats = [
        heartbeat(time=1000.0 + at + (by if at > 10 else 0.0), monotonic=50.0 + at)
        for at in range(2, 32, 2)
    ]
    told = fold(beats)
    assert told.elapsed == pytest.approx(28, abs=2)
    assert told == reduce_figures(RunState(), beats)


def test_damage_in_a_record_is_told_in_its_log(tmp_path: Path) -> None:
    folder = written(str(tmp_path), [started(seq=1)])
    made = read(folder)
    with folder.events.open("ab") as file:
        file.write(b"{\n\0\n" + e.encode(step(1, seq=2)))
    made.read(inf)
    told = [entry.text for entry in made.journal.publish() if entry.kind == "warning"]
    assert told == ["2 lines of the record are damaged and were passed over"]
