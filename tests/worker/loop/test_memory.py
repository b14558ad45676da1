"""What is said about memory."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import psutil
import pytest
from farense_worker.loop import memory
from farense_worker.loop.memory import Guard, HeartbeatThread, Seen
from farense_worker.process.output import Output
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.messages import events
from farense_worker.protocol.plan.memory import GIB
from farense_worker.protocol.settings.profile import Memory

from tests.waiting import until

LIMIT = 10 * GIB
SETTINGS = Memory(warning=0.8, critical=0.95)


def test_the_footprint_is_near_what_the_system_counts() -> None:
    rss = psutil.Process().memory_info().rss
    assert memory.footprint() > 0
    if sys.platform == "darwin":  # compressed and graphics memory is in it, shared pages are not
        assert rss / 4 < memory.footprint() < 4 * rss
    else:
        assert memory.footprint() == pytest.approx(rss, rel=0.2)


def test_the_footprint_grows_with_what_is_used() -> None:
    before = memory.footprint()
    with mmap.mmap(-1, 64 << 20) as block:  # not malloc, which may have freed memory at hand
        block.write(os.urandom(1 << 20) * 64)
        assert memory.footprint() - before > 48 << 20


def seen(used: float, free: int = 4 * GIB) -> Seen:
    return Seen(int(used), free)


def test_a_warning_comes_once_until_memory_is_well_below() -> None:
    guard = Guard(SETTINGS, LIMIT)

    def warns(share: float) -> bool:
        return guard.look(seen(share * LIMIT)) is not None

    assert [warns(share) for share in (0.5, 0.79)] == [False, False]
    assert [warns(share) for share in (0.81, 0.9, 0.81)] == [True, False, False]
    # a little below the threshold and back is the same event
    assert [warns(share) for share in (0.78, 0.82)] == [False, False]
    # well below it is over, and the next time it is told again
    assert [warns(share) for share in (0.7, 0.82, 0.83)] == [False, True, False]


def test_a_warning_says_how_much_and_what_to_do() -> None:
    notice = Guard(SETTINGS, LIMIT).look(seen(9 * GIB))
    assert notice is not None
    assert notice.level == "warning"
    assert notice.code == "memory"
    assert "90%" in notice.message
    assert "9.0 of 10.0 GiB" in notice.message
    assert "train.batch_size" in notice.hint


def test_critical_is_at_its_threshold_and_above() -> None:
    guard = Guard(SETTINGS, LIMIT)
    assert not guard.critical(seen(0.949 * LIMIT))
    assert guard.critical(seen(0.95 * LIMIT + 1))
    assert guard.critical(seen(2 * LIMIT))
    error = guard.stopped(seen(2 * LIMIT), checkpointing=False)
    assert error.kind == "memory_limit"
    assert "20.0 GiB" in error.detail


def test_a_machine_that_starves_is_told_from_a_process_that_takes_too_much() -> None:
    guard = Guard(SETTINGS, LIMIT)
    assert not guard.starved(seen(GIB, int(0.21 * GIB)))
    starving = seen(GIB, int(0.19 * GIB))
    assert guard.starved(starving)
    assert not guard.critical(starving)
    assert "only 0.2 GiB are free" in guard.cut_finer(starving, 64).message
    assert "Close other programs" in guard.stopped(starving, checkpointing=False).hint
    assert "Close other" not in guard.stopped(seen(2 * LIMIT), checkpointing=False).hint


def test_the_end_names_only_what_takes_less_where_rows_go_alone_already() -> None:
    guard = Guard(SETTINGS, LIMIT)
    for now in (seen(2 * LIMIT), seen(GIB, 0)):
        hints = [guard.stopped(now, checkpointing=on).hint for on in (False, True)]
        assert ["train.grad_checkpoint" in hint for hint in hints] == [True, False]
        assert ["train.max_seq_length" in hint for hint in hints] == [False, True]
        assert not any("batch_size" in hint for hint in hints)


def test_the_machine_is_looked_at() -> None:
    now = Guard(SETTINGS, LIMIT).see(0)
    assert now.used > 1 << 20
    assert 0 < now.free < 1 << 45
    assert Guard(SETTINGS, LIMIT).see(1 << 50).used == 1 << 50


def test_there_is_a_limit_on_every_machine() -> None:
    assert memory.memory_limit(mx) > GIB // 4


class Machine:
    """What mlx.core says of a Mac."""

    @staticmethod
    def device_info() -> dict[str, object]:
        return {"max_recommended_working_set_size": 11453250000, "memory_size": 17179869184}

    @staticmethod
    def get_memory_limit() -> int:
        return 1


def test_on_a_mac_the_limit_is_the_recommended_working_set() -> None:
    assert memory.memory_limit(Machine) == 11453250000


def test_the_cache_is_limited_and_nothing_is_wired_unless_asked_for() -> None:
    calls: list[tuple[str, int]] = []

    class Recorder:
        set_cache_limit = staticmethod(lambda b: calls.append(("cache", b)))
        set_wired_limit = staticmethod(lambda b: calls.append(("wired", b)))

    memory.apply_limits(Recorder, Memory(cache_limit_gb=0.5))
    assert calls == [("cache", GIB // 2)]
    memory.apply_limits(Recorder, Memory(cache_limit_gb=0, wired_limit_gb=2))
    assert calls[1:] == [("cache", 0), ("wired", 2 * GIB)]


def test_more_than_metal_lets_be_wired_is_refused() -> None:
    class Metal:
        set_cache_limit = staticmethod(lambda _: 0)
        device_info = staticmethod(lambda: {"max_recommended_working_set_size": 12 * GIB})

        @staticmethod
        def set_wired_limit(_bytes: int) -> None:
            raise ValueError("Setting a wired limit larger than the maximum working set size")

    with pytest.raises(FarenseError, match="more than this machine allows") as told:
        memory.apply_limits(Metal, Memory(wired_limit_gb=14))
    assert told.value.hint == "12.0 is the most here, 0 leaves it to MLX."


def test_buffers_of_many_shapes_do_not_fill_what_may_be_kept() -> None:
    script = (
        "import mlx.core as mx; from farense_worker.loop import memory;"
        "from farense_worker.protocol.settings.profile import Memory; most = Memory();"
        "memory.apply_limits(mx, most);\n"
        "def work():\n"
        "  for size in range(1, 40): mx.eval(mx.ones((size, 100_000)) + 1)\n"
        "work(); print(mx.get_cache_memory()); memory.keep_buffers(mx, most, 8 << 20);"
        "print(mx.get_cache_memory()); work(); print(mx.get_cache_memory());"
        "memory.keep_buffers(mx, Memory(cache_limit_gb=0.001), 1 << 30); work();"
        "print(mx.get_cache_memory())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    before, cleared, kept, by_profile = map(int, done.stdout.split())
    assert before > 64 << 20
    assert cleared == 0
    assert 0 < kept <= 9 << 20
    assert by_profile <= 2 << 20


def test_hearts_beat_until_they_are_told_to_finish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_BEAT", 0.002)
    path = tmp_path / "events.jsonl"
    record = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    output = Output(record, path)
    output.phase, output.step = "training", 7
    thread = HeartbeatThread(output)
    thread.start()
    until(lambda: path.read_bytes().count(b"\n") >= 3)
    thread.finish()
    output.emit(events.RunStopped(reason="completed", step=7))
    os.close(record)
    lines = path.read_bytes().splitlines()
    beat = events.decode(lines[0])
    assert isinstance(beat, events.Heartbeat)
    assert (beat.phase, beat.step) == ("training", 7)
    assert beat.rss > 0
    assert beat.active_memory == mx.get_active_memory()
    assert isinstance(events.decode(lines[-1]), events.RunStopped)  # no beat came after it
    thread.finish()  # twice does no harm


def test_a_thread_that_never_started_can_be_finished(tmp_path: Path) -> None:
    HeartbeatThread(Output(os.open(os.devnull, os.O_WRONLY), tmp_path / "-")).finish()


def test_a_heartbeat_does_not_import_mlx() -> None:
    """It beats while MLX is being imported, which may take seconds."""
    code = """
import os, sys
from pathlib import Path
from farense_worker.loop.memory import HeartbeatThread
from farense_worker.process.output import Output
beat = HeartbeatThread(Output(os.open(os.devnull, os.O_WRONLY), Path("/nowhere")))._beat()
print(beat.rss > 0, beat.active_memory, [name for name in sys.modules if name.startswith("mlx")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True 0 []\n"
