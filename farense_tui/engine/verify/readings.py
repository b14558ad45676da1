"""Every reading of the machine, with what the system's tool says of the same beside it.

One run on a Mac gives the fixtures of the parsers in engine/machine. A tool that answered and
whose answer was not understood is a fault of ours.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.percent import percent
from farense_worker.protocol.plan.memory import GIB

from farense_tui.engine import readable as f
from farense_tui.engine.machine import hardware, power, vitals
from farense_tui.engine.verify.row import Row, judged

GROUP = _("the machine's readings")
_PATIENCE = 20.0
_LONGEST = 20_000  # characters of a tool's words that are kept


@dataclass(frozen=True)
class Tool:
    """A program of the system, or a file of its kernel's. word: where it stands, it is known."""

    command: tuple[str, ...]
    word: str = ""

    @property
    def name(self) -> str:
        return " ".join(Path(part).name if part[:1] == "/" else part for part in self.command)

    def ask(self) -> str:
        """Give what it says; empty if it is not there or does not answer."""
        if len(self.command) == 1 and self.command[0].startswith(("/proc/", "/sys/")):
            try:
                return Path(self.command[0]).read_text(errors="replace")[:_LONGEST]
            except OSError:
                return ""
        try:
            done = subprocess.run(self.command, capture_output=True, timeout=_PATIENCE, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return (done.stdout + done.stderr).decode("utf-8", "replace")[:_LONGEST]


@dataclass(frozen=True)
class Reading:
    """Something that we read: what it came to, None for unknown, and the tools beside it."""

    name: str
    check: str
    found: str | None
    tools: tuple[Tool, ...]


# Named as their parsers ask for them.
MAC = {
    "system": Tool(("/usr/bin/sw_vers",)),
    "chip": Tool(("/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string")),
    "memory": Tool(("/usr/sbin/sysctl", "hw.memsize")),
    "vm_stat": Tool(("/usr/bin/vm_stat",), "Swapins"),
    "swap": Tool(("/usr/sbin/sysctl", "vm.swapusage"), "used"),
    "pressure": Tool(("/usr/sbin/sysctl", "-n", "kern.memorystatus_vm_pressure_level")),
    "memory_pressure": Tool(("/usr/bin/memory_pressure", "-Q")),
    "gpu": Tool(vitals.IOREG, "Device Utilization %"),  # not translated: ioreg's words
    "battery": Tool(("/usr/bin/pmset", "-g", "batt"), "drawing from"),  # not translated: pmset's
    "sleep": Tool(("/usr/bin/pmset", "-g")),
    "thermal": Tool(("/usr/bin/pmset", "-g", "therm")),
    "assertions": Tool(("/usr/bin/pmset", "-g", "assertions"), "caffeinate"),
    "iogpu": Tool(
        ("/usr/sbin/sysctl", "iogpu"),
    ),
}
LINUX = {
    "chip": Tool(("/proc/cpuinfo",), "model name"),  # not translated: the kernel's words
    "memory": Tool(("/proc/meminfo",), "MemTotal"),
    "stalled": Tool(("/proc/pressure/memory",), "some"),
}


def rows(worker: int) -> Iterator[Row]:
    """Read everything while the worker with this process id lives."""
    found = _on_mac(worker) if sys.platform == "darwin" else _on_linux(worker)
    for reading in found:
        yield row(reading, {tool.name: tool.ask() for tool in reading.tools})


def row(reading: Reading, said: dict[str, str]) -> Row:
    """Judge a reading by whether the tools' words were understood."""
    raw = "".join(f"$ {name}\n{words.rstrip()}\n" for name, words in said.items())
    answered = any(tool.word and tool.word in said[tool.name] for tool in reading.tools)
    names = ", ".join(tool.name for tool in reading.tools)
    if reading.found is None and not answered:
        return Row(
            GROUP, reading.name, reading.check, names, _("not known here"), "untried", raw=raw
        )
    known = reading.found or _("not understood")
    verdict = judged(reading.found is not None)
    return Row(GROUP, reading.name, reading.check, names, known, verdict, raw=raw)


def _on_mac(worker: int) -> Iterator[Reading]:
    machine, memory = hardware.machine(), hardware.memory()
    looks = vitals.Reader()
    looks.look()
    now = looks.look()
    fed = power.power()
    chip = f"{machine.chip}, {machine.memory / GIB:.0f} GB"
    yield Reading(
        "machine", _("the machine"), f"{chip}, {machine.system}",
        (MAC["system"], MAC["chip"], MAC["memory"], MAC["iogpu"]),
    )  # fmt: skip
    swap = _("{size} in use").format(size=f.size(memory.swap_used))
    yield Reading("swap", _("swap"), swap, (MAC["swap"],))
    rate = None
    if now.swap_in is not None and now.swap_out is not None:
        rate = _("{bytes_in} in, {bytes_out} out a second").format(
            bytes_in=f.size(now.swap_in), bytes_out=f.size(now.swap_out)
        )
    yield Reading("swapping", _("swapping"), rate, (MAC["vm_stat"],))
    yield Reading(
        "pressure", _("memory pressure"), now.pressure, (MAC["pressure"], MAC["memory_pressure"])
    )
    gpu = None if now.gpu is None else percent(now.gpu)
    yield Reading("gpu", _("use of the GPU"), gpu, (MAC["gpu"],))
    yield Reading("power", _("power"), _power(fed), (MAC["battery"], MAC["sleep"], MAC["thermal"]))
    raw = MAC["assertions"].ask()
    awake = _("kept awake by caffeinate") if "caffeinate" in raw else None
    yield Reading("awake", _("sleep is held off"), awake, (MAC["assertions"],))
    yield _footprint(worker, Tool(("/usr/bin/footprint", str(worker))))


def _on_linux(worker: int) -> Iterator[Reading]:
    machine, memory = hardware.machine(), hardware.memory()
    chip = f"{machine.chip}, {machine.memory / GIB:.0f} GB, {machine.system}"
    yield Reading("machine", _("the machine"), chip, (LINUX["chip"], LINUX["memory"]))
    free = _("{free} of {total} are free").format(
        free=f.size(memory.available), total=f.size(memory.total)
    )
    yield Reading("free", _("free memory"), free, (LINUX["memory"],))
    now = vitals.Reader().look()
    stalled = None if now.stalled is None else percent(now.stalled, 1)
    yield Reading("pressure", _("memory pressure"), stalled, (LINUX["stalled"],))
    yield Reading("power", _("power"), _power(power.power()), ())
    yield _footprint(worker, Tool((f"/proc/{worker}/status",)))


def _power(found: power.Power) -> str | None:
    if found.plugged is None:
        return None
    said = _("plugged in") if found.plugged else _("on battery")
    return said if found.percent is None else f"{said}, {percent(found.percent / 100)}"


def _footprint(worker: int, tool: Tool) -> Reading:
    """What psutil says of a worker; what that says of itself stands among the rows of memory."""
    import psutil

    try:
        said = f.size(psutil.Process(worker).memory_info().rss)
    except psutil.Error:
        said = None
    return Reading("footprint", _("memory of a worker"), said, (tool,))


def fixtures(found: list[Row], folder: Path) -> None:
    """Write what the tools said, a file for each reading."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in found:
        if each.raw:
            path = folder / f"{each.name}.txt"
            path.write_text(each.raw, encoding="utf-8")
            os.chmod(path, 0o644)
