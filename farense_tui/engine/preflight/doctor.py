"""The doctor: one line for each thing that a run depends on, with the remedy where it is not well.

What can be seen from here is looked at here; of MLX the worker tells, in a process of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import mark, ngettext
from farense_worker.protocol.messages.doctor import Findings, Request
from farense_worker.protocol.percent import percent
from farense_worker.protocol.plan.disk import SPARE
from farense_worker.protocol.plan.memory import GIB, PROCESS, SYSTEM, pages
from farense_worker.protocol.run_folder import free_space
from farense_worker.protocol.settings.profile import Profile

from farense_tui.engine import readable as f
from farense_tui.engine.machine import blas, extras, hardware, power
from farense_tui.engine.machine.awake import can_keep_awake
from farense_tui.engine.machine.hardware import Machine
from farense_tui.engine.machine.power import Power
from farense_tui.engine.machine.terminal import Terminal, terminal
from farense_tui.engine.models.locate import ModelState
from farense_tui.engine.preflight import model_and_data
from farense_tui.engine.preflight.disk_need import disk_need
from farense_tui.engine.preflight.model_and_data import Inspection
from farense_tui.engine.profiles import peak_rate
from farense_tui.engine.tasks import task

Level = Literal["ok", "warn", "fail"]
LEVELS: dict[Level, str] = {"ok": _("ok"), "warn": _("warn"), "fail": _("fail")}

_LEAST_PYTHON = (3, 11)
_LEAST_COLUMNS, _LEAST_ROWS = 80, 24
_PROGRAMS = 3
_AGAIN = _("Install farense-tui again.")


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, how it is, what was found, and what to do about it.

    `name` and `level` are English: who shows them calls `gettext` and takes LEVELS.
    """

    name: str
    level: Level
    found: str
    remedy: str = ""


def checks(profile: Profile, runs_dir: Path, stop: task.Stop | None = None) -> Iterator[Check]:
    """Look at everything that a run of this profile depends on; MLX comes last, it takes seconds.

    Nothing is downloaded, and nothing but the terminal's size is taken from the terminal.
    """
    found = model_and_data.inspect(profile)
    yield python()
    yield machine(hardware.machine())
    now, shared = hardware.memory(), hardware.machine().apple_silicon
    yield memory(now.available, now.total, found.model, programs(), shared=shared)
    yield swap(hardware.memory().swap_used)
    yield model(found.model)
    yield data(found)
    yield from learning_rate(profile, found)
    yield disk(free_space(runs_dir), disk_need(profile, found.model))
    yield awake(power.power(), can_keep_awake())
    yield screen(terminal())
    yield from mlx(stop)


def python() -> Check:
    """The app's own Python, which is the worker's too."""
    version = ".".join(map(str, sys.version_info[:3]))
    level: Level = "ok" if sys.version_info >= _LEAST_PYTHON else "fail"
    wanted = _("Install Python 3.11 or newer.") if level == "fail" else ""
    if intel := hardware.intel_python():
        return Check("Python", "fail", f"{version} ({sys.executable}), {intel.title}", intel.hint)
    return Check("Python", level, f"{version} ({sys.executable})", wanted)


def machine(found: Machine) -> Check:
    said = ngettext(
        "{chip}, {memory:.0f} GB, {cores} core, {system}",
        "{chip}, {memory:.0f} GB, {cores} cores, {system}",
        found.cores,
    ).format(chip=found.chip, memory=found.memory / GIB, cores=found.cores, system=found.system)
    return Check(mark("Machine"), "ok", said)


def programs() -> list[tuple[str, int]]:
    """Find the programs that take the most memory, this one not among them: name, bytes."""
    used: dict[str, int] = {}
    own = os.getpid()
    try:
        found = list(psutil.process_iter(("pid", "name", "memory_info")))
    except (OSError, LookupError, psutil.Error):  # no /proc: they are not told
        return []
    for process in found:
        info = process.info
        if info["pid"] != own and info["memory_info"] is not None:
            name = info["name"] or "?"
            used[name] = used.get(name, 0) + int(info["memory_info"].rss)
    return sorted(used.items(), key=lambda each: -each[1])[:_PROGRAMS]


def memory(
    available: int,
    total: int,
    model: ModelState,
    largest: list[tuple[str, int]],
    *,
    shared: bool = False,
) -> Check:
    """Free memory against the model's weights; and who else has it. shared: with the GPU."""
    name = mark("Free memory")
    said = _("{free} of {total} are free").format(free=f.size(available), total=f.size(total))
    if largest:
        names = ", ".join(f"{name} {f.size(size)}" for name, size in largest)
        said += "; " + _("largest: {names}").format(names=names)
    if available < model.bytes:
        remedy = _(
            "The model alone takes {size}. Close other programs, or take a smaller model."
        ).format(size=f.size(model.bytes))
        return Check(name, "fail", said, remedy)
    if shared and pages(total, model.bytes + PROCESS):
        remedy = _(
            "The model takes {size}, the system wants {least:.0f} GiB: it will swap. Take a "
            "smaller model."
        ).format(size=f.size(model.bytes), least=SYSTEM / GIB)
        return Check(name, "warn", said, remedy)
    if available < max(1.5 * model.bytes, 0.15 * total):
        return Check(name, "warn", said, _("Close other programs before a long run."))
    return Check(name, "ok", said)


def swap(used: int) -> Check:
    """Swap in use tells that memory was short already."""
    said = _("{size} in use").format(size=f.size(used))
    if used < GIB:
        return Check(mark("Swap"), "ok", said)
    remedy = _("Close other programs, or restart: a run that swaps is many times slower.")
    return Check("Swap", "warn", said, remedy)


def model(found: ModelState) -> Check:
    """Whether the profile's model is here."""
    if found.state == "here":
        return Check(mark("Model"), "ok", f"{found.repo}, {f.size(found.bytes)}")
    if found.state == "download":
        said = _("{repo} is not here; a run downloads it").format(repo=found.repo)
        remedy = _("farense-tui models download {repo} gets it beforehand.")
        return Check("Model", "warn", said, remedy.format(repo=found.repo))
    why, _line, instead = found.why.partition("\n")
    remedy = instead or _("Give a folder, a repository (owner/name) or 'embedded' with --model.")
    return Check("Model", "fail", f"{found.repo}: {why}", remedy)


def data(found: Inspection) -> Check:
    """Whether the profile's data can be read."""
    summary = found.data
    rows = ", ".join(f"{count} {split}" for split, count in summary.rows.items())
    if summary.why:
        said, more = str(summary.faults[0]), summary.fault_count - 1
        if more > 0:
            said = _("{fault} and {n} more").format(fault=said, n=more)
        remedy = _("farense-tui data check DIR lists them all.")
        return Check(mark("Data"), "fail", said, remedy)
    if n := summary.fault_count:
        said = ngettext("{n} row is left out", "{n} rows are left out", n).format(n=n)
        remedy = _("farense-tui data check DIR lists them all.")
        return Check("Data", "warn", f"{summary.path}: {rows}; {said}", remedy)
    if "valid" not in summary.rows:
        remedy = _("Without valid.jsonl nothing tells which adapter is best: data.valid_fraction.")
        return Check("Data", "warn", f"{summary.path}: {rows}", remedy)
    return Check("Data", "ok", f"{summary.path}: {rows}")


def learning_rate(profile: Profile, found: Inspection) -> Iterator[Check]:
    """Whether the run is long enough to reach its rate."""
    steps = model_and_data.steps_per_epoch(profile, found.data) * profile.train.epochs
    if not steps:
        return
    name, said = mark("Peak rate"), peak_rate.told(profile.train, steps)
    said += " " + _("of {steps}").format(steps=steps)
    if not peak_rate.is_reached(profile.train, steps):
        remedy = _("Lower train.warmup_steps, or set train.warmup_cap.")
        yield Check(name, "warn", said, remedy)
        return
    yield Check(name, "ok", "; ".join(filter(None, (said, peak_rate.cap(profile.train, steps)))))


def disk(free: int, need: int) -> Check:
    """Free disk against what the run will write."""
    said = _("{free} free, a run writes about {need}").format(free=f.size(free), need=f.size(need))
    if free < need:
        remedy = _("Delete old runs, lower checkpoint.keep, or choose another --runs-dir.")
        return Check(mark("Disk"), "fail", said, remedy)
    if free < need + SPARE:
        return Check("Disk", "warn", said, _("Make some space: macOS swaps to the same disk."))
    return Check("Disk", "ok", said)


def awake(found: Power, held: bool = False) -> Check:
    """Whether the machine stays on until the run ends. held: what trains keeps it awake."""
    name, text = mark("Power"), ", ".join(_power(found, held))
    text = text or _("no battery, and nothing known of sleep")
    if found.plugged is False:
        return Check(name, "warn", text, _("Plug it in: a run takes hours, and is slower so."))
    if found.low_power:
        return Check(name, "warn", text, _("Turn low power mode off (System Settings, Battery)."))
    if found.sleep_after and not (found.held_awake or held):
        remedy = _("caffeinate -i farense-tui keeps it awake; keep the lid open.")
        return Check(name, "warn", text, remedy)
    return Check(name, "ok", text)


def _power(found: Power, held: bool) -> Iterator[str]:
    if found.plugged:
        yield _("plugged in")
    elif found.plugged is False and found.percent is not None:
        yield _("on battery at {charge}").format(charge=percent(found.percent / 100))
    elif found.plugged is False:
        yield _("on battery")
    if found.low_power:
        yield _("in low power mode")
    if found.sleep_after is not None:
        if found.held_awake:
            yield _("kept awake by a program")
        elif found.sleep_after and held:
            told = _("sleeps after {minutes} min, but not while a run trains")
            yield told.format(minutes=found.sleep_after)
        elif found.sleep_after:
            yield _("sleeps after {minutes} min").format(minutes=found.sleep_after)
        else:
            yield _("never sleeps")


def screen(found: Terminal) -> Check:
    name = mark("Terminal")
    if not found.there:
        return Check(name, "ok", _("none: the commands work, the app needs one"))
    colours = {0: _("no colours"), 1 << 24: _("all colours")}.get(found.colours)
    colours = colours or _("{n} colours").format(n=found.colours)
    said = f"{found.name}, {found.columns}x{found.rows}, {colours}"
    if not found.unicode:
        remedy = _("Set LANG to a UTF-8 locale, such as en_GB.UTF-8: the charts need it.")
        return Check(name, "warn", said + ", " + _("no Unicode"), remedy)
    if found.columns < _LEAST_COLUMNS or found.rows < _LEAST_ROWS:
        return Check(name, "warn", said, _("Make the window larger: 80x24 at the least."))
    if found.name == "Apple Terminal" and found.colours == 256:  # not translated: its name
        remedy = _(
            "The charts' dots join with the font Menlo and line spacing 1.0 (Settings, Profiles, "
            "Text); iTerm2 and Ghostty show all colours."
        )
        return Check(name, "ok", said, remedy)
    if found.colours < 256:
        return Check(name, "warn", said, _("The app works, but looks plain here."))
    return Check(name, "ok", said)


def mlx(stop: task.Stop | None = None) -> Iterator[Check]:
    """Ask the worker's side."""
    try:
        found = task.result_of("doctor", Request(), Findings, stop=stop)
    except FarenseError as error:
        yield Check("MLX", "fail", f"{error.title}: {error.detail[-200:]}", error.hint or _AGAIN)
        return
    yield from told(found)


def told(found: Findings) -> Iterator[Check]:
    """Say what the worker has found."""
    missing = _("is missing")
    versions = f"mlx {found.mlx or missing}, mlx_lm {found.mlx_lm or missing}"
    if found.fault:
        yield Check("MLX", "fail", f"{versions}: {found.fault}", _AGAIN)
        return
    wanted = _unwanted(found)
    if wanted:
        remedy = _("It is tested with {versions}.").format(versions=wanted)
        yield Check("MLX", "warn", versions, remedy)
    else:
        said = _("{versions}, imported in {seconds:.1f} s")
        yield Check("MLX", "ok", said.format(versions=versions, seconds=found.seconds))
    if found.on_gpu:
        yield Check(mark("Device"), "ok", found.device)
    else:
        slow = _("Training works, but slowly.")
        if found.translated:
            slow = _("Install a Python for Apple chips (arm64).")
        yield Check("Device", "warn", f"{found.device}: {found.why}", slow)
        if sys.platform == "linux":
            yield fast_blas(blas.find())
    yield Check(mark("Working set"), "ok", _working_set(found))


def fast_blas(library: Path | None) -> Check:
    """Whether float32 products on a Linux CPU are fast: MLX's wheel brings a slow library."""
    if library:
        said = _("{library} is preloaded for the worker").format(library=library)
        return Check("BLAS", "ok", said)
    remedy = _(
        "Training takes many times longer without: apt install libopenblas0, dnf install openblas, "
        "or {command}. FARENSE_BLAS names another one."
    ).format(command=extras.command(["fast-cpu"]))
    return Check("BLAS", "warn", _("MLX's own, which is slow"), remedy)


def _working_set(found: Findings) -> str:
    limit = f.size(found.memory_limit)
    if found.on_gpu and found.memory:
        share = percent(found.memory_limit / found.memory)
        said = _("MLX may use {limit} well, {share} of the memory")
        return said.format(limit=limit, share=share)
    return _("MLX may use {limit}").format(limit=limit)


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
    order: list[Level] = ["ok", "warn", "fail"]
    return max((check.level for check in found), key=order.index, default="ok")
