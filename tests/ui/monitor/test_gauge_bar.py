"""The memory gauge: its bar fills the width, and nothing in it is guessed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from farense_worker.protocol.plan.memory import GIB
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed
from rich.cells import cell_len
from textual.app import App, ComposeResult

from farense_tui.engine.machine import hardware
from farense_tui.engine.machine.hardware import MemorySample
from farense_tui.engine.machine.vitals import Reader, Vitals
from farense_tui.engine.runs.watch import Snapshot, Watch
from farense_tui.ui.monitor.gauge_bar import Memory, Part, cells, free_cell, measure, position
from farense_tui.ui.monitor.memory_gauge import MemoryGauge, bar
from tests.ui import recorded
from tests.ui.monitor_host import held
from tests.ui.waiting import until

MIB = 1 << 20
SIZES = st.lists(st.one_of(st.none(), st.integers(-(2**40), 2**44)), min_size=1, max_size=6)


@given(SIZES, st.integers(0, 2**44), st.integers(0, 200))
def test_the_bar_is_filled_exactly(sizes: list[int | None], total: int, width: int) -> None:
    given_cells = cells(sizes, total, width)
    assert len(given_cells) == len(sizes)
    assert sum(given_cells) == width
    assert min(given_cells) >= 0


@given(st.lists(st.integers(1, 2**44), min_size=1, max_size=6), st.integers(6, 200))
def test_what_is_there_is_seen_where_there_is_room(sizes: list[int], width: int) -> None:
    assert min(cells(sizes, sum(sizes), width)) >= 1


@given(st.integers(0, 2**44), st.integers(0, 2**44), st.integers(1, 200))
def test_a_mark_stands_in_the_bar(size: int, total: int, width: int) -> None:
    assert 0 <= position(size, total, width) < width


@given(SIZES, st.integers(1, 2**40), st.integers(1, 120), st.integers(1, 2**41))
def test_the_drawn_bar_is_as_wide_as_asked(
    sizes: list[int | None], total: int, width: int, mark: int
) -> None:
    keys = ("active", "cache", "rest", "others", "free", "free")
    parts = tuple(Part(key, key, size) for key, size in zip(keys, sizes, strict=False))
    assert bar(Memory(total, parts, mark, mark), width).cell_length == width


@pytest.fixture
def snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Snapshot:
    monkeypatch.setattr(hardware, "memory", lambda: MemorySample(16 * GIB, 9 * GIB, 0))
    run = recorded.live(tmp_path, upto=20)
    with held(run.folder):
        return Watch(run.folder).look(run.time)


def sizes(memory: Memory) -> dict[str, int | None]:
    return {part.key: part.bytes for part in memory.parts}


def test_the_parts_make_up_the_machine(snapshot: Snapshot) -> None:
    found = sizes(measure(snapshot))
    beat = snapshot.state.heartbeat
    assert beat is not None
    assert found["base"] == 700 * MIB
    assert found["adapter"] == 36 * MIB
    assert found["active"] == beat.active_memory - 736 * MIB
    assert found["rest"] == beat.rss - beat.active_memory - beat.cache_memory
    assert found["free"] == 9 * GIB
    assert sum(size or 0 for size in found.values()) == 16 * GIB


def test_what_mlx_holds_is_not_divided_by_guesses(snapshot: Snapshot) -> None:
    """An old record, and a model that is not all loaded yet."""
    beat, started = snapshot.state.heartbeat, snapshot.state.started
    assert beat is not None
    assert started is not None
    for state in (
        changed(snapshot.state, started=changed(started, base_bytes=0)),
        changed(snapshot.state, started=None),
        changed(snapshot.state, heartbeat=changed(beat, active_memory=300 * MIB)),
    ):
        found = sizes(measure(replace(snapshot, state=state)))
        assert state.heartbeat is not None
        assert found["active"] == state.heartbeat.active_memory
        assert "base" not in found


def test_the_limits_are_marked(snapshot: Snapshot) -> None:
    memory = measure(snapshot)
    assert memory.limit == int(10.67 * GIB)
    assert memory.stop == int(memory.limit * 0.95)
    assert memory.peak == 3 * GIB
    assert measure(replace(snapshot, config=None)).stop is None


@pytest.mark.parametrize("size", [(60, 1), (80, 2), (118, 3), (52, 18), (30, 40)])
async def test_the_gauge_has_room_for_the_figures(
    snapshot: Snapshot, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Vitals(swap_out=12 << 20, swap_in=0, pressure="warning", gpu=0.5)
    monkeypatch.setattr(Reader, "look", lambda self: found)

    class Gauge(App[None]):
        def compose(self) -> ComposeResult:
            yield MemoryGauge()

    app = Gauge()
    async with app.run_test(size=size) as pilot:
        gauge = app.query_one(MemoryGauge)
        gauge.styles.height = size[1]
        gauge.memory = measure(snapshot)
        await until(pilot, lambda: gauge.vitals == found)
        lines = str(gauge.render()).split("\n")
    assert len(lines) <= size[1]
    assert max(cell_len(line) for line in lines) <= size[0]
    text = "\n".join(lines)
    assert "memory" in lines[0]
    if size[1] > 1:
        assert "12M/s out" in text
        assert "warning" in text
    if size[1] > 2:
        assert "activations" in text
        assert "50%" in text
    if size[1] > 10:
        assert "saves and stops at" in text
        assert "process" in text


def test_figures_of_different_moments_never_give_less_than_nothing(snapshot: Snapshot) -> None:
    idle = replace(snapshot, memory=MemorySample(16 * GIB, 16 * GIB, 0))
    found = sizes(measure(idle))
    assert found["others"] == 0
    assert min(size or 0 for size in found.values()) >= 0


def test_a_worker_without_a_heartbeat_is_unknown(snapshot: Snapshot) -> None:
    silent = replace(snapshot, state=changed(snapshot.state, heartbeat=None))
    found = sizes(measure(silent))
    assert (found["active"], found["cache"], found["rest"]) == (None, None, None)
    assert found["others"] == 7 * GIB


def test_a_worker_that_is_gone_has_no_memory(snapshot: Snapshot) -> None:
    assert set(sizes(measure(replace(snapshot, alive=False)))) == {"others", "free"}


def test_a_limit_that_is_not_known_has_no_mark(snapshot: Snapshot) -> None:
    assert measure(snapshot).limit == int(10.67 * GIB)
    assert snapshot.state.started
    started = changed(snapshot.state.started, memory_limit=0)
    unknown = replace(snapshot, state=changed(snapshot.state, started=started))
    assert measure(unknown).limit is None


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(0, 60))
def test_a_mark_covers_no_part_of_one_cell_if_it_can(counts: list[int], at: int) -> None:
    width = sum(counts)
    if not width:
        return
    cell = free_cell(min(at, width - 1), counts)
    assert 0 <= cell < width
    edges = [sum(counts[:end]) for end in range(1, len(counts) + 1)]
    covered = next(n for n, edge in zip(counts, edges, strict=True) if cell < edge)
    assert covered > 1 or cell == width - 1
