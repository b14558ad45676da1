"""The events: nothing is lost on the way through a line, and no line can break a reader."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from farense_worker.protocol.messages import events as e
from hypothesis import example, given
from hypothesis import strategies as st

from farense_tui.engine.record.tail import Tail

TYPES = get_args(e.AnyEvent)

# Text that UTF-8 can carry: half of a surrogate pair cannot come out of a JSON line.
text = st.text(st.characters(exclude_categories=["Cs"]))
finite = st.floats(allow_nan=False, allow_infinity=False)
whole = st.integers(0, 2**53)
times = st.floats(0, 3e10)


def _values(annotation: Any) -> st.SearchStrategy[Any]:
    if getattr(annotation, "__metadata__", None):
        annotation = get_args(annotation)[0]
    known = {int: whole, float: finite, str: text, bool: st.booleans()}
    if annotation in known:
        return known[annotation]
    args = get_args(annotation)
    if args == (float, type(None)):
        return st.none() | finite
    if args == (str, str):
        return st.dictionaries(text, text, max_size=5)
    if args == (str, Any):
        values = st.booleans() | whole | finite | text | st.lists(text, max_size=3)
        return st.dictionaries(text, values, max_size=5)
    return st.sampled_from(args)


def _an_event(kind: type[e.Event]) -> st.SearchStrategy[e.Event]:
    hints = get_type_hints(kind, include_extras=True)
    values = {name: _values(hints[name]) for name in kind.__struct_fields__}
    return st.builds(kind, **values | {"time": times})


any_event = st.one_of([_an_event(kind) for kind in TYPES])


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__struct_config__.tag)
def test_every_type_comes_back_as_it_was(kind: type[e.Event]) -> None:
    @given(_an_event(kind))
    def round_trip(event: e.Event) -> None:
        line = e.encode(event)
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        assert e.decode(line) == event

    round_trip()


@given(finite)
@example(0.1 + 0.2)
@example(5e-324)
@example(1.7976931348623157e308)
@example(5.836924314498901)
def test_a_number_keeps_every_digit(value: float) -> None:
    told = e.Validation(
        step=1, epoch=value, loss=1.0, perplexity=1.0, tokens=3, seconds=1.0, best=False
    )
    line = e.encode(told)
    event = e.decode(line)
    assert isinstance(event, e.Validation)
    assert event.epoch.hex() == value.hex()
    assert json.loads(line)["epoch"] == value  # for every other reader as well


@pytest.mark.parametrize("fields", [{"time": 1e18}, {"time": -1.0}, {"seq": -1}, {"step": 1 << 60}])
def test_a_line_with_an_absurd_number_is_no_event(fields: dict[str, float]) -> None:
    line = json.loads(e.encode(e.RunStopped(reason="completed", step=1, time=1e9, seq=1)))
    assert e.decode(json.dumps(line).encode()) is not None
    assert e.decode(json.dumps(line | fields).encode()) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_null_and_comes_back_as_nan(value: float) -> None:
    event = e.Validation(
        step=1, epoch=0.5, loss=e.wire(value), perplexity=value, tokens=3, seconds=1.0, best=False
    )
    line = e.encode(event)
    assert json.loads(line)["loss"] is None
    assert json.loads(line)["perplexity"] is None  # even where `wire` was forgotten
    back = e.decode(line)
    assert isinstance(back, e.Validation)
    assert math.isnan(e.number(back.loss))
    assert e.wire(1.5) == 1.5 == e.number(1.5)


def test_an_unknown_type_and_an_unknown_field_are_passed_over() -> None:
    assert e.decode(b'{"type":"weather","time":1.0,"seq":1,"sun":true}') is None
    newer = b'{"type":"phase","time":1.0,"seq":2,"name":"saving","why":{"deep":[1,2]}}'
    assert e.decode(newer) == e.Phase(name="saving", time=1.0, seq=2)


def test_a_record_from_before_a_field_was_added_has_its_default() -> None:
    old = b'{"type":"notice","time":1.0,"seq":1,"level":"info","code":"x","message":"m"}'
    event = e.decode(old)
    assert isinstance(event, e.Notice)
    assert event.hint == ""


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"17",
        b"{}",
        b'{"type":"phase"}',
        b'{"type":"phase","name":"dreaming"}',
        b'{"type":"phase","name":"saving"',
        b'{"type":"phase","name":"sav\xff"}',
        b'{"type":"phase","name":"saving"}{"type":"phase","name":"saving"}',
        b"\x00" * 512,  # what a file system may leave of a block after a power loss
        b"[" * 100_000,
        b'{"type":"phase","name":"saving","x":' + b"[" * 100_000,
        b'{"type":' * 50_000,
    ],
    ids=lambda line: repr(line[:24]),
)
def test_a_line_that_is_no_event_is_none(line: bytes) -> None:
    assert e.decode(line) is None


@given(st.binary() | st.text().map(str.encode))
def test_no_line_raises(line: bytes) -> None:
    e.decode(line)


@given(any_event, st.data())
def test_a_damaged_line_never_raises(event: e.Event, data: st.DataObject) -> None:
    line = bytearray(e.encode(event))
    for at in data.draw(st.lists(st.integers(0, len(line) - 1), min_size=1, max_size=4)):
        line[at] = data.draw(st.integers(0, 255))
    e.decode(bytes(line))


def test_cut_at_any_byte_every_whole_line_is_read_and_none_twice(tmp_path: Path) -> None:
    """Wherever a kill cuts the record, a reader that looks before and after sees the same."""
    record = [
        e.Phase(name="starting", seq=1),
        e.Sample(step=3, prompt="Quem é?", text="É o Farense, de 1910.\n\t\x1b[31m", seq=2),
        e.Notice(level="warning", code="x", message="ação “não” 🦁", seq=3),
        e.RunStopped(reason="stopped", step=3, seq=4),
    ]
    lines = [e.encode(event) for event in record]
    whole = b"".join(lines)
    ends = list(itertools.accumulate(map(len, lines)))
    path = tmp_path / "events.jsonl"
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        tail = Tail(path)
        first = tail.read_all()
        assert first == record[: sum(end <= cut for end in ends)]
        path.write_bytes(whole)
        assert first + tail.read_all() == record
        assert tail.unreadable == 0


def test_half_of_a_pair_keeps_no_event_from_being_told() -> None:
    """A config.json may have one, and what is wrong with it is the last that a worker says."""
    said = e.RunFailed(kind="model", title="a\ud800", detail="\udcff", hint="é", step=0, seq=1)
    told = e.decode(e.encode(said))
    assert isinstance(told, e.RunFailed)
    assert (told.title, told.detail, told.hint) == ("a?", "?", "é")
