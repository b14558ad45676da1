"""What is known of the machine where the system hides it, as in a container without /proc."""

from __future__ import annotations

import psutil
import pytest
from farense_worker.protocol.processes import machine

from farense_tui.engine.machine import hardware
from farense_tui.engine.preflight import doctor


def test_without_proc_the_same_is_known_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """No command and no training ended but in "/proc/meminfo cannot be used"."""
    told, size = machine.memory(), machine.own_memory()
    monkeypatch.setattr(psutil, "PROCFS_PATH", "/nowhere", raising=False)
    monkeypatch.setattr(psutil, "process_iter", _hidden)
    for name in ("virtual_memory", "boot_time", "cpu_count", "Process"):
        monkeypatch.setattr(psutil, name, _hidden)
    assert machine.memory().total == told.total
    assert 0 < machine.memory().available <= told.total
    assert machine.own_memory() >= size // 2
    assert machine.boot_time() is None
    assert hardware.machine().memory == told.total
    assert hardware.machine().cores >= 1
    assert doctor.programs() == []


def _hidden(*_args: object, **_options: object) -> None:
    raise FileNotFoundError(2, "No such file or directory", "/proc/meminfo")
