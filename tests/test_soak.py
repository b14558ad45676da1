"""The soak's own parts, a few rounds of each: they find what they look for, and today nothing."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from farense_worker.loop import checkpoint
from farense_worker.protocol import run_folder

from benchmarks.faults.soak import inputs, power, records, saves
from benchmarks.faults.soak.tally import Tally

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc/self/fd")


def times(count: int) -> Callable[[], bool]:
    left = iter(range(count))
    return lambda: next(left, None) is not None


def test_each_operation_of_a_save_may_fail(tmp_path: Path) -> None:
    tally = Tally("saves")
    saves.soak(tmp_path, random.Random(0), times(20), tally)
    assert tally.counts["ENOSPC"] > 10
    assert not tally.failed


@needs_proc
def test_a_power_loss_leaves_the_old_state_or_the_new_one(tmp_path: Path) -> None:
    tally = Tally("power")
    power.soak(tmp_path, random.Random(0), times(120), tally)
    assert tally.counts["states"] > 100
    assert not tally.failed


@needs_proc
def test_what_is_not_synced_is_found_to_be_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the check: with a save that brings nothing to the disk it fails."""
    monkeypatch.setattr(checkpoint, "sync", lambda _path: None)
    monkeypatch.setattr(run_folder, "sync", lambda _path: None)
    monkeypatch.setattr(saves, "BEGINNINGS", {"again": "two"})
    monkeypatch.setattr(power, "BEGINNINGS", {"again": "two"})
    tally = Tally("power")
    power.soak(tmp_path, random.Random(0), times(60), tally)
    assert tally.counts["passed over a damaged one"] or tally.failed


def test_damaged_records_and_files_raise_nothing(tmp_path: Path) -> None:
    for part in (records, inputs):
        tally = Tally(part.__name__)
        place = tmp_path / part.__name__.rpartition(".")[2]
        place.mkdir()
        part.soak(place, random.Random(0), times(1), tally)
        assert not tally.failed
        assert tally.counts
