"""What is read of the machine, on outputs as macOS and Linux give them."""

from __future__ import annotations

import plistlib
import sys
from pathlib import Path

import pytest
from farense_worker.protocol.processes import macos
from hypothesis import given
from hypothesis import strategies as st

from farense_tui.engine.machine import vitals
from farense_tui.engine.machine.vitals import (
    Reader,
    Swapped,
    Vitals,
    parse_ioreg,
    parse_macmon,
    parse_pressure,
    parse_psi,
    parse_vm_stat,
)

VM_STAT = """Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                                5214.
Pages active:                            191250.
Pages inactive:                          187211.
Pages speculative:                         2951.
Pages throttled:                              0.
Pages wired down:                        127921.
Pages purgeable:                           1200.
"Translation faults":                 712839120.
Pages copy-on-write:                   20812411.
Pages zero filled:                    312909120.
Pages reactivated:                     21712901.
Pages purged:                           6123412.
File-backed pages:                       110231.
Anonymous pages:                         271181.
Pages stored in compressor:              912012.
Pages occupied by compressor:            311021.
Decompressions:                        92121012.
Compressions:                         112812812.
Pageins:                               19212012.
Pageouts:                                121212.
Swapins:                                 812120.
Swapouts:                               1021201.
"""
ACCELERATOR = [
    {
        "IOClass": "AGXAcceleratorG13G",
        "PerformanceStatistics": {
            "Device Utilization %": 97,
            "Renderer Utilization %": 96,
            "Tiler Utilization %": 12,
            "In use system memory": 5312217088,
            "Alloc system memory": 7516192768,
        },
    }
]
MACMON_08 = (
    '{"timestamp":"2026-08-04T10:01:02.5+00:00","temp":{"cpu_temp_avg":61.2,"gpu_temp_avg":58.0},'
    '"gpu_freq_mhz":1278,"gpu_scaled_ratio":0.91,"gpu_active_ratio":0.94,"gpu_power":8.2}\n'
)
MACMON_07 = '{"gpu_usage":[1278,0.5],"gpu_power":4.0,"temp":{"gpu_temp_avg":0.0}}\n'
PSI = "some avg10=12.50 avg60=3.10 avg300=0.90 total=1021\nfull avg10=1.00 avg60=0 total=1\n"


def test_vm_stat() -> None:
    page = 16384
    assert parse_vm_stat(VM_STAT) == Swapped(812120 * page, 1021201 * page, 311021 * page)
    assert parse_vm_stat("") is None


@pytest.mark.parametrize(
    ("text", "level"),
    [("1\n", "normal"), ("2\n", "warning"), ("4\n", "critical"), ("", None), ("9", None)],
)
def test_the_pressure_level(text: str, level: str | None) -> None:
    assert parse_pressure(text) == level


def test_the_gpu() -> None:
    assert parse_ioreg(plistlib.dumps(ACCELERATOR).decode()) == 0.97
    assert parse_ioreg(plistlib.dumps([{"IOClass": "x"}]).decode()) is None
    assert parse_macmon(MACMON_08) == (0.94, 8.2)
    assert parse_macmon(MACMON_07) == (0.5, 4.0)
    assert parse_macmon('{"gpu_active_ratio":NaN,"gpu_power":null}') == (None, None)


def test_psi() -> None:
    assert parse_psi(PSI) == 0.125
    assert parse_psi("") is None


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_whatever_is_said_nothing_is_guessed(text: str) -> None:
    assert parse_ioreg(text) is None
    assert parse_macmon(text) == (None, None)
    assert parse_vm_stat(text) is None


def test_a_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands' answers are recorded; what is asked and how it is put together is ours."""
    answers = {
        "vm_stat": [VM_STAT, VM_STAT.replace("1021201.", "1031201.")],
        "sysctl": ["2\n"] * 2,
        "ioreg": [plistlib.dumps(ACCELERATOR).decode()] * 2,
    }
    clock = iter([10.0, 12.0])
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(vitals, "monotonic", lambda: next(clock))
    monkeypatch.setattr("shutil.which", lambda name: None)
    reader = Reader()
    monkeypatch.setattr(
        reader, "_ask", lambda command, *_: answers[command.rpartition("/")[2]].pop(0)
    )
    first, second = reader.look(), reader.look()
    assert first.swap_out is None
    assert (first.pressure, first.gpu, first.alarming) == ("warning", 0.97, True)
    assert second.swap_out == 10000 * 16384 / 2
    assert second.swap_in == 0


def test_a_program_that_was_slow_once_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Mac that swaps answers late, and its pressure is what is wanted just then."""
    slow, gone = tmp_path / "slow", str(tmp_path / "gone")
    slow.write_text(f'#!/bin/sh\n[ -e "{tmp_path}/again" ] && exec echo 2\nexec sleep 60\n')
    slow.chmod(0o755)
    monkeypatch.setattr(macos, "PATIENCE", 0.5)
    reader = Reader()
    assert reader._ask(str(slow)) == ""
    assert reader._ask(gone) == ""
    assert reader._missing == {gone}
    (tmp_path / "again").touch()
    monkeypatch.setattr(macos, "PATIENCE", 30.0)
    assert reader._ask(str(slow)) == "2\n"


def test_this_machine_and_one_without_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader()
    reader.look()
    assert reader.look().swap_out is not None
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("shutil.which", lambda name: None)
    nothing = Reader()
    nothing._missing |= {"/usr/bin/vm_stat", "/usr/sbin/sysctl", "/usr/sbin/ioreg"}
    assert nothing.look() == nothing.look() == Vitals()
