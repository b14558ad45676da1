"""The machine: what it is, and how its memory is used just now. Nothing here imports MLX."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil
from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.processes import machine as system
from farense_worker.protocol.processes import macos


@dataclass(frozen=True)
class Machine:
    chip: str
    memory: int
    cores: int
    backend: str
    system: str

    @property
    def apple_silicon(self) -> bool:
        """Whether MLX computes on Metal here."""
        return self.backend == "Metal"


@dataclass(frozen=True)
class MemorySample:
    """The whole machine's memory at one moment, bytes."""

    total: int
    available: int
    swap_used: int


def machine() -> Machine:
    """Find out what this machine is. Takes a few milliseconds."""
    return Machine(
        chip=_chip(),
        memory=system.memory().total,
        cores=_cores(),
        backend=_backend(),
        system=f"{platform.system().replace('Darwin', 'macOS')} {_release()}",
    )


def intel_python() -> FarenseError | None:
    """Say what is wrong with a Python for Intel on a Mac, for which there is no MLX; else None.

    On an Apple chip Rosetta runs it, and nothing else tells.
    """
    if platform.system() != "Darwin" or platform.machine() == "arm64":
        return None
    return refused(
        _("this Python is for Intel Macs, and MLX is not"),
        _("Rosetta may be running it: {python} says that it is on {kind}.").format(
            python=sys.executable, kind=platform.machine()
        ),
        _(
            "On a Mac with an Apple chip install farense-tui with a Python for arm64: "
            "uv tool install --python 3.12 brings one. An Intel Mac cannot train with MLX."
        ),
        kind="intel",
    )


def memory() -> MemorySample:
    """Look at the memory now.

    `available` on macOS counts inactive and free pages but not what the compressor holds
    (psutil/arch/osx/mem.c), so what is left over is in use by other programs.
    """
    return MemorySample(*system.memory())


def _cores() -> int:
    try:
        return psutil.cpu_count(logical=False) or os.cpu_count() or 1
    except OSError:  # no /proc
        return os.cpu_count() or 1


def parse_cpuinfo(text: str) -> str:
    """Find the processor's name in /proc/cpuinfo."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "Hardware"):  # not translated: the kernel's words
            return value.strip()
    return ""


def _chip() -> str:
    if platform.system() == "Darwin":  # not run on a Mac yet
        told = macos.said("/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string")
        return (told or "").strip() or platform.machine()
    try:
        return parse_cpuinfo(Path("/proc/cpuinfo").read_text()) or platform.machine()
    except OSError:
        return platform.machine()


def _backend() -> str:
    """Which MLX is installed; whether it really computes there, the worker says when it runs."""
    installed = {dist.metadata["Name"] or "" for dist in metadata.distributions(name="mlx")}
    if not installed:
        return _("MLX is not installed")
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "Metal"
    for name in ("mlx-cuda-13", "mlx-cuda-12"):
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        return "CUDA"
    return "CPU"


def _release() -> str:
    """The system's version.

    A Mac tells a Python that was built for an older one that macOS 26 is 16.0 (cpython#135675);
    its own programs it tells the truth.
    """
    release = platform.mac_ver()[0] or platform.release().split("-")[0]
    if platform.system() == "Darwin" and release.startswith("16."):  # not run on a Mac yet
        return (macos.said("/usr/bin/sw_vers", "-productVersion") or "").strip() or release
    return release
