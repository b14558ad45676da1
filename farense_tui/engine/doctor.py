"""The doctor: one line for each thing that a run depends on, with the remedy where it is not well.

What can be seen from here is looked at here; of MLX the worker tells, in a process of its own.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from farense_tui.engine import blas, hardware, inspection, power, task
from farense_tui.engine import format as f
from farense_tui.engine.disk_need import disk_need
from farense_tui.engine.hardware import GIB, Machine
from farense_tui.engine.inspection import Inspection
from farense_tui.engine.models import ModelState
from farense_tui.engine.power import Power
from farense_tui.engine.terminal_check import Terminal, terminal
from worker.protocol.doctor import Findings, Request
from worker.protocol.errors import FarenseError
from worker.protocol.profile import Profile

Level = Literal["ok", "warn", "fail"]

_LEAST_PYTHON = (3, 11)
_LEAST_COLUMNS, _LEAST_ROWS = 80, 24
_PROGRAMS = 3


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, how it is, what was found, and what to do about it."""

    name: str
    level: Level
    found: str
    remedy: str = ""


def checks(profile: Profile, runs_dir: Path, stop: task.Stop | None = None) -> Iterator[Check]:
    """Look at everything that a run of this profile depends on; MLX comes last, it takes seconds.

    Nothing is downloaded, and nothing but the terminal's size is taken from the terminal.
    """
    found = inspection.inspect(profile)
    yield python()
    yield machine(hardware.machine())
    yield memory(hardware.memory().available, hardware.memory().total, found.model, programs())
    yield swap(hardware.memory().swap_used)
    yield model(found.model)
    yield data(found)
    yield disk(free_space(runs_dir), disk_need(profile, found.model))
    yield awake(power.power())
    yield screen(terminal())
    yield from mlx(stop)


def python() -> Check:
    """The app's own Python, which is the worker's too."""
    version = ".".join(map(str, sys.version_info[:3]))
    level: Level = "ok" if sys.version_info >= _LEAST_PYTHON else "fail"
    wanted = "Install Python 3.11 or newer." if level == "fail" else ""
    return Check("Python", level, f"{version} ({sys.executable})", wanted)


def machine(found: Machine) -> Check:
    """What it is."""
    said = f"{found.chip}, {found.memory / GIB:.0f} GB, {found.cores} cores, {found.system}"
    return Check("Machine", "ok", said)


def programs() -> list[tuple[str, int]]:
    """Find the programs that take the most memory, this one not among them: name, bytes."""
    used: dict[str, int] = {}
    own = psutil.Process().pid
    for process in psutil.process_iter(("pid", "name", "memory_info")):
        info = process.info
        if info["pid"] != own and info["memory_info"] is not None:
            name = info["name"] or "?"
            used[name] = used.get(name, 0) + int(info["memory_info"].rss)
    return sorted(used.items(), key=lambda each: -each[1])[:_PROGRAMS]


def memory(available: int, total: int, model: ModelState, largest: list[tuple[str, int]]) -> Check:
    """Free memory against the model's weights; and who else has it."""
    said = f"{f.size(available)} of {f.size(total)} are free"
    if largest:
        said += "; largest: " + ", ".join(f"{name} {f.size(size)}" for name, size in largest)
    if available < model.bytes:
        remedy = f"The model alone takes {f.size(model.bytes)}. Close other programs, or take"
        return Check("Free memory", "fail", said, f"{remedy} a smaller model.")
    if available < max(1.5 * model.bytes, 0.15 * total):
        return Check("Free memory", "warn", said, "Close other programs before a long run.")
    return Check("Free memory", "ok", said)


def swap(used: int) -> Check:
    """Swap in use tells that memory was short already."""
    if used < GIB:
        return Check("Swap", "ok", f"{f.size(used)} in use")
    remedy = "Close other programs, or restart: a run that swaps is many times slower."
    return Check("Swap", "warn", f"{f.size(used)} in use", remedy)


def model(found: ModelState) -> Check:
    """Whether the profile's model is here."""
    if found.state == "here":
        return Check("Model", "ok", f"{found.repo}, {f.size(found.bytes)}")
    if found.state == "download":
        remedy = f"farense-tui models download {found.repo} gets it beforehand."
        return Check("Model", "warn", f"{found.repo} is not here; a run downloads it", remedy)
    remedy = "Give a folder, a repository (owner/name) or 'embedded' with --model."
    return Check("Model", "fail", f"{found.repo}: {found.why}", remedy)


def data(found: Inspection) -> Check:
    """Whether the profile's data can be read."""
    summary = found.data
    rows = ", ".join(f"{count} {split}" for split, count in summary.rows.items())
    if summary.faults:
        more = f" and {summary.fault_count - 1} more" if summary.fault_count > 1 else ""
        remedy = "farense-tui data check DIR lists them all."
        return Check("Data", "fail", f"{summary.faults[0]}{more}", remedy)
    if "valid" not in summary.rows:
        remedy = "Without valid.jsonl nothing tells which adapter is best: data.valid_fraction."
        return Check("Data", "warn", f"{summary.path}: {rows}", remedy)
    return Check("Data", "ok", f"{summary.path}: {rows}")


def free_space(folder: Path) -> int:
    """Free bytes where the folder is or would be."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free


def disk(free: int, need: int) -> Check:
    """Free disk against what the run will write."""
    said = f"{f.size(free)} free, a run writes about {f.size(need)}"
    if free < need:
        remedy = "Delete old runs, lower checkpoint.keep, or choose another --runs-dir."
        return Check("Disk", "fail", said, remedy)
    if free < need + 2 * GIB:
        return Check("Disk", "warn", said, "Make some space: macOS swaps to the same disk.")
    return Check("Disk", "ok", said)


def awake(found: Power) -> Check:
    """Whether the machine stays on until the run ends."""
    said = []
    if found.plugged is not None:
        percent = f" at {found.percent} %" if found.percent is not None else ""
        said.append("plugged in" if found.plugged else f"on battery{percent}")
    if found.low_power:
        said.append("in low power mode")
    if found.sleep_after is not None:
        when = f"sleeps after {found.sleep_after} min" if found.sleep_after else "never sleeps"
        said.append("kept awake by a program" if found.held_awake else when)
    text = ", ".join(said) or "no battery, and nothing known of sleep"
    if found.plugged is False:
        return Check("Power", "warn", text, "Plug it in: a run takes hours, and is slower so.")
    if found.low_power:
        return Check("Power", "warn", text, "Turn low power mode off (System Settings, Battery).")
    if found.sleep_after and not found.held_awake:
        remedy = "caffeinate -i farense-tui keeps it awake; keep the lid open."
        return Check("Power", "warn", text, remedy)
    return Check("Power", "ok", text)


def screen(found: Terminal) -> Check:
    """What the terminal can show."""
    if not found.there:
        return Check("Terminal", "ok", "none: the commands work, the app needs one")
    colours = {0: "no colours", 1 << 24: "all colours"}.get(found.colours)
    said = f"{found.name}, {found.columns}x{found.rows}, {colours or f'{found.colours} colours'}"
    if not found.unicode:
        remedy = "Set LANG to a UTF-8 locale, such as en_GB.UTF-8: the charts need it."
        return Check("Terminal", "warn", f"{said}, no Unicode", remedy)
    if found.columns < _LEAST_COLUMNS or found.rows < _LEAST_ROWS:
        return Check("Terminal", "warn", said, "Make the window larger: 80x24 at the least.")
    if found.colours < 256:
        return Check("Terminal", "warn", said, "The app works, but looks plain here.")
    return Check("Terminal", "ok", said)


def mlx(stop: task.Stop | None = None) -> Iterator[Check]:
    """Ask the worker's side."""
    try:
        found = task.result_of("doctor", Request(), Findings, stop=stop)
    except FarenseError as error:
        remedy = "Install farense-tui again."
        yield Check("MLX", "fail", f"{error.title}: {error.detail[-200:]}", remedy)
        return
    yield from told(found)


def told(found: Findings) -> Iterator[Check]:
    """Say what the worker has found."""
    versions = f"mlx {found.mlx or 'is missing'}, mlx_lm {found.mlx_lm or 'is missing'}"
    if found.fault:
        yield Check("MLX", "fail", f"{versions}: {found.fault}", "Install farense-tui again.")
        return
    wanted = _unwanted(found)
    if wanted:
        yield Check("MLX", "warn", versions, f"It is tested with {wanted}.")
    else:
        yield Check("MLX", "ok", f"{versions}, imported in {found.seconds:.1f} s")
    if found.on_gpu:
        yield Check("Device", "ok", found.device)
    else:
        slow = "Training works, but slowly."
        if found.translated:
            slow = "Install a Python for Apple chips (arm64)."
        yield Check("Device", "warn", f"{found.device}: {found.why}", slow)
        if sys.platform == "linux":
            yield fast_blas(blas.find())
    yield Check("Working set", "ok", _working_set(found))


def fast_blas(library: Path | None) -> Check:
    """Whether float32 products on a Linux CPU are fast: MLX's wheel brings a slow library."""
    if library:
        return Check("BLAS", "ok", f"{library} is preloaded for the worker")
    remedy = (
        "Training takes many times longer without: apt install libopenblas0, dnf install openblas, "
        "or pip install 'farense-tui[fast-cpu]'. FARENSE_BLAS names another one."
    )
    return Check("BLAS", "warn", "MLX's own, which is slow", remedy)


def _working_set(found: Findings) -> str:
    limit = f.size(found.memory_limit)
    if found.on_gpu and found.memory:
        share = found.memory_limit / found.memory
        return f"MLX may use {limit} well, {share:.0%} of the memory"
    return f"MLX may use {limit}"


def _unwanted(found: Findings) -> str:
    """Name the versions asked for, of packages that have another one."""
    from packaging.specifiers import SpecifierSet

    have = {"mlx": found.mlx, "mlx-lm": found.mlx_lm}
    return ", ".join(
        f"{name} {wanted}"
        for name, wanted in found.wanted.items()
        if have.get(name) and have[name] not in SpecifierSet(wanted, prereleases=True)
    )


def worst(found: list[Check]) -> Level:
    """Give the worst level of all."""
    order: list[Level] = ["ok", "warn", "fail"]
    return max((check.level for check in found), key=order.index, default="ok")
