"""What the machine goes through while a run trains: swapping, memory pressure, the GPU.

Every field may be unknown, and what is not known is None: nothing is guessed. Nothing here needs
more than a user's rights. The parts for macOS have been tested on recorded outputs and have not
been run on a Mac yet.
"""

from __future__ import annotations

import json
import plistlib
import re
import shutil
import sys
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from time import monotonic
from xml.parsers.expat import ExpatError

import psutil
from farense_worker.protocol.processes import macos

EVERY = 2.0  # seconds between two looks: ioreg takes tens of milliseconds
IOREG = ("/usr/sbin/ioreg", "-r", "-d", "1", "-w", "0", "-c", "IOAccelerator", "-a")
_LEVELS = {"1": "normal", "2": "warning", "4": "critical"}  # xnu, event_private.h


@dataclass(frozen=True)
class Vitals:
    """Rates in bytes a second, `gpu` a share from 0 to 1, `gpu_power` in watts.

    `pressure` is macOS's word; `stalled` is Linux's share of the last ten seconds in which some
    task waited for memory.
    """

    swap_in: float | None = None
    swap_out: float | None = None
    pressure: str | None = None
    stalled: float | None = None
    compressed: int | None = None
    gpu: float | None = None
    gpu_power: float | None = None

    @property
    def alarming(self) -> bool:
        """Whether the machine is short of memory just now."""
        swapping = (self.swap_out or 0.0) > 1 << 20
        return swapping or self.pressure in ("warning", "critical") or (self.stalled or 0.0) > 0.1


@dataclass(frozen=True)
class Swapped:
    """Bytes that went to the disk and came back since the machine was started."""

    into_memory: int
    out_of_memory: int
    compressed: int | None = None


class Reader:
    """Looks again and again. A program that is not there is not asked again."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._then: tuple[float, Swapped] | None = None
        self._missing: set[str] = set()
        self._macmon, self._answered = shutil.which("macmon"), False

    def look(self) -> Vitals:
        """Give what is known now; the rates need two looks."""
        return self._mac() if sys.platform == "darwin" else self._linux()

    def _linux(self) -> Vitals:
        try:
            swap = psutil.swap_memory()
        except OSError:  # no /proc
            return Vitals()
        found = self._rates(Swapped(swap.sin, swap.sout))
        try:
            return replace(found, stalled=parse_psi(Path("/proc/pressure/memory").read_text()))
        except OSError:  # a kernel without it, a container
            return found

    def _mac(self) -> Vitals:  # not run on a Mac yet
        swapped = parse_vm_stat(self._ask("/usr/bin/vm_stat"))
        found = self._rates(swapped) if swapped else Vitals()
        level = self._ask("/usr/sbin/sysctl", "-n", "kern.memorystatus_vm_pressure_level")
        found = replace(found, pressure=parse_pressure(level))
        if self._macmon:
            share, power = parse_macmon(self._ask(self._macmon, "pipe", "-s", "1", "-i", "500"))
            if share is not None:
                self._answered = True
                return replace(found, gpu=share, gpu_power=power)
            if not self._answered:  # too old for this system, or another program of that name
                self._macmon = None
        return replace(found, gpu=parse_ioreg(self._ask(*IOREG)))

    def _rates(self, swapped: Swapped) -> Vitals:
        now, then = monotonic(), self._then
        self._then = now, swapped
        if then is None or now <= then[0]:
            return Vitals(compressed=swapped.compressed)
        seconds, before = now - then[0], then[1]
        return Vitals(
            swap_in=max(0, swapped.into_memory - before.into_memory) / seconds,
            swap_out=max(0, swapped.out_of_memory - before.out_of_memory) / seconds,
            compressed=swapped.compressed,
        )

    def _ask(self, *command: str) -> str:
        if command[0] in self._missing:
            return ""
        answer = macos.said(*command)
        if answer is None:
            self._missing.add(command[0])
        return answer or ""  # of a machine that swaps, of all times: the next look asks again


def parse_vm_stat(text: str) -> Swapped | None:
    """Read the output of vm_stat; psutil's figures on macOS count the paging of files too."""
    page = re.search(r"page size of (\d+) bytes", text)  # not translated: vm_stat's words
    pages = {name: int(count) for name, count in re.findall(r'^"?([^:"]+)"?:\s+(\d+)', text, re.M)}
    if not page or not {"Swapins", "Swapouts"} <= pages.keys():
        return None
    size = int(page[1])
    compressed = pages.get("Pages occupied by compressor")  # not translated: vm_stat's words
    return Swapped(
        pages["Swapins"] * size,
        pages["Swapouts"] * size,
        None if compressed is None else compressed * size,
    )


def parse_pressure(text: str) -> str | None:
    """Read kern.memorystatus_vm_pressure_level."""
    return _LEVELS.get(text.strip())


def parse_ioreg(tree: str) -> float | None:
    """Find the GPU's use in `ioreg -r -d 1 -w 0 -c IOAccelerator -a`; of several the busiest."""
    try:
        found = plistlib.loads(tree.encode())
    except (plistlib.InvalidFileException, ExpatError, ValueError):
        return None
    nodes = found if isinstance(found, list) else [found]
    statistics = [n.get("PerformanceStatistics") for n in nodes if isinstance(n, dict)]
    name = "Device Utilization %"  # not translated: ioreg's word
    shares = [s.get(name) for s in statistics if isinstance(s, dict)]
    known = [share / 100 for share in shares if isinstance(share, int | float)]
    return max(known, default=None)


def parse_macmon(lines: str) -> tuple[float | None, float | None]:
    """Read the GPU's use and its power from `macmon pipe`, of any version."""
    try:
        found = json.loads(lines.splitlines()[0])
    except (ValueError, IndexError):
        return None, None
    if not isinstance(found, dict):
        return None, None
    pair = found.get("gpu_usage")  # [MHz, share] before 0.8
    older = pair[1] if isinstance(pair, list) and len(pair) == 2 else None
    return _finite(found.get("gpu_active_ratio", older)), _finite(found.get("gpu_power"))


def parse_psi(text: str) -> float | None:
    """Read /proc/pressure/memory: the share of ten seconds in which some task was stalled."""
    found = re.search(r"^some avg10=([\d.]+)", text, re.M)  # not translated: the kernel's words
    return float(found[1]) / 100 if found else None


def _finite(value: object) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    return float(value) if known else None  # type: ignore[arg-type]
