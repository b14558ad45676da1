"""Rows that need no run: what is judged, and how."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.messages.verification import Compared, Done, Untried
from farense_worker.protocol.settings.profile import Profile

from farense_tui.engine.forecast import forecast, gather
from farense_tui.engine.forecast.gather import Estimate
from farense_tui.engine.machine import hardware, measured
from farense_tui.engine.machine.measured import Speeds
from farense_tui.engine.record.state import RunState, fold
from farense_tui.engine.verify import bench_record, computed, memory, readings, verify
from farense_tui.engine.verify.readings import Reading, Tool
from farense_tui.engine.verify.row import Row
from farense_tui.engine.verify.tolerance import tolerance
from tests.engine.forecast.test_forecast import MAC_8, MISTRAL, known
from tests.events import heartbeat, started, step

M1 = Done(device="gpu (Apple M1)", gpu=True, architecture="applegpu_g13g", dtype="float32")


def judged(difference: float, dtype: str, end: Done, loss: float = 0.0) -> str:
    each = Compared(subject="accumulated", difference=difference, loss=loss)
    told: list[Compared | Untried | Done] = [each, end]
    (row,) = computed.judge(iter(told), dtype)
    return row.verdict


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [(0.0, "holds"), (1e-6, "holds"), (1e-2, "fails"), (0.5, "fails"), (float("nan"), "fails")],
)
def test_a_hundredth_is_found_in_float32_on_every_device(difference: float, verdict: str) -> None:
    m5 = Done(device="gpu (Apple M5)", gpu=True, architecture="applegpu_g17g", dtype="float32")
    cpu = Done(device="cpu", gpu=False, architecture="x86_64", dtype="float32")
    assert {judged(difference, "float32", end) for end in (M1, m5, cpu)} == {verdict}
    assert judged(0.0, "float32", M1, loss=difference) == verdict


def test_shorter_numbers_may_be_further_apart_and_no_type_hides_a_lost_micro_batch() -> None:
    for gpu in (False, True):
        allowed = [tolerance(name, gpu=gpu) for name in ("float32", "float16", "bfloat16")]
        assert allowed == sorted(allowed)
        assert allowed[-1] < 0.5 / 3  # mlx_lm's way of adding up is off by half


def test_what_could_not_be_tried_is_said() -> None:
    told: list[Compared | Untried | Done] = [Untried(subject="trunk", why="one layer"), M1]
    (row,) = computed.judge(iter(told), "float16")
    assert (row.verdict, row.found) == ("untried", "one layer")


def made(peak: int) -> Estimate:
    """A forecast of so many bytes."""
    profile = Profile()
    found = forecast.forecast(known(MISTRAL), profile, MAC_8, {}, {"train": 8})
    parts = found.parts
    from dataclasses import replace

    other = replace(parts, other=parts.other + peak - parts.total)
    return Estimate(profile, replace(found, parts=other, precompute=0))


@pytest.mark.parametrize(("took", "verdict"), [(900, "holds"), (1100, "holds"), (1300, "fails")])
def test_a_run_that_takes_more_than_was_forecast_comes_out(took: int, verdict: str) -> None:
    state = fold([started(), step(1, peak_memory=took << 20)])
    assert memory.peak("short", made(1000 << 20), state).verdict == verdict


@pytest.mark.parametrize(
    ("rss", "active", "verdict"),
    [(300, 150, "holds"), (100, 150, "fails"), (900, 150, "fails")],
)
def test_a_footprint_without_the_gpus_memory_comes_out(rss: int, active: int, verdict: str) -> None:
    beat = heartbeat(rss=rss << 20, active_memory=active << 20, cache_memory=0)
    assert memory.footprint([fold([started(), beat])]).verdict == verdict
    assert memory.footprint([RunState()]).verdict == "untried"


@pytest.mark.parametrize(
    ("found", "said", "verdict"),
    [
        ("normal", "1\n", "holds"),
        (None, "", "untried"),  # a tool that is not there
        (None, "a new format with its word\n", "fails"),  # ours does not understand it
    ],
)
def test_an_answer_that_is_not_understood_comes_out(
    found: str | None, said: str, verdict: str
) -> None:
    tool = Tool(("/usr/bin/tool", "-a"), "word")
    row = readings.row(Reading("pressure", "pressure", found, (tool,)), {tool.name: said})
    assert row.verdict == verdict
    assert said in row.raw
    assert row.raw.startswith("$ tool -a\n")


def test_the_tools_words_become_files(tmp_path: Path) -> None:
    row = Row("g", "vm", "c", "", "", "holds", raw="$ vm_stat\nMach\n")
    readings.fixtures([row, Row("g", "none", "c", "", "", "told")], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["vm.txt"]
    assert (tmp_path / "vm.txt").read_text() == row.raw


def test_a_part_that_breaks_off_fails_and_the_others_go_on() -> None:
    def part() -> Iterator[Row]:
        yield Row("g", "one", "c", "", "", "holds")
        raise FarenseError("no worker", "its last words")

    rows = list(verify._told("g", "part", part))
    assert [row.verdict for row in rows] == ["holds", "fails"]
    assert "its last words" in rows[1].detail


# ---- the record --------------------------------------------------------------------------------


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path


def bench(flops: float) -> list[Row]:
    figures = {"flops": flops, "seconds": 1.0}
    names = ("arithmetic_quantised", "arithmetic_floats")
    return [Row("g", name, "c", "—", "x", "told", figures=figures) for name in names]


def test_a_record_has_no_names_and_no_paths(own_home: Path) -> None:
    record = bench_record.make(bench(1e12), "/home/somebody/secret", bench=True, load=0.5)
    text = measured.encode(record)
    assert "secret" not in text
    assert "/" not in text.replace("mlx-lm", "")
    assert record.speeds == Speeds(quantised=1e12, floats=1e12)
    assert record.load == 0.5


def test_forecasts_of_time_are_made_from_this_machines_record(own_home: Path) -> None:
    profile, shape = Profile(), known(MISTRAL)
    published = forecast.forecast(shape, profile, MAC_8, {}, {"train": 800})
    record = bench_record.make(bench(2.6e12 * 0.45 * 2), "embedded", bench=True, load=None)
    measured.write(record)
    here = measured.read(hardware.machine())
    assert here == record
    from dataclasses import replace

    faster = forecast.forecast(
        shape, profile, replace(MAC_8, speeds=here.speeds), {}, {"train": 800}
    )
    assert published.step_seconds
    assert faster.step_seconds == pytest.approx(published.step_seconds / 2)
    assert "verify --bench" in faster.speed_from


def test_another_machines_record_and_a_damaged_one_are_passed_over(own_home: Path) -> None:
    record = bench_record.make(bench(1e12), "embedded", bench=True, load=None)
    from msgspec.structs import replace

    measured.write(replace(record, memory=record.memory + 1))
    assert measured.read(hardware.machine()) is None
    measured.path().write_text("{")
    assert measured.read(hardware.machine()) is None
    measured.path().unlink()
    assert measured.read(hardware.machine()) is None


def test_the_place_that_is_forecast_for_has_them(own_home: Path, data: Path) -> None:
    from farense_worker.protocol.messages.estimation import Facts

    facts = Facts(device="cpu", gpu=False, limit=1, available=1, rows={})
    assert gather.where(facts).speeds is None
    measured.write(bench_record.make(bench(5e9), "embedded", bench=True, load=None))
    assert gather.where(facts).speeds == Speeds(quantised=5e9, floats=5e9)
    assert gather.where(facts, memory=16).speeds is None  # of another machine
