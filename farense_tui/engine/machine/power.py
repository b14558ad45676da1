"""Power and sleep: what would end a run of hours. Nothing here imports MLX."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass

import psutil
from farense_worker.protocol.processes import macos


@dataclass(frozen=True)
class Power:
    """How the machine is fed and when it sleeps; None where that is not known.

    sleep_after: minutes until the machine sleeps when nobody uses it, 0 for never.
    """

    plugged: bool | None = None
    percent: int | None = None
    sleep_after: int | None = None
    held_awake: bool = False
    low_power: bool = False


def power() -> Power:
    """Find out. Takes some milliseconds."""
    if platform.system() == "Darwin":  # not run on a Mac yet
        return parse_pmset(_pmset("batt"), _pmset(""))
    battery = psutil.sensors_battery()
    if battery is None:
        return Power()
    return Power(plugged=battery.power_plugged, percent=round(battery.percent))


def parse_pmset(battery: str, settings: str) -> Power:
    """Read what `pmset -g batt` and `pmset -g` say on macOS."""
    drawing = re.search(r"drawing from '([^']+)'", battery)  # not translated: macOS's words
    percent = re.search(r"(\d+)%;", battery)
    sleep = re.search(r"^\s*sleep\s+(\d+)(.*)$", settings, re.MULTILINE)
    low = re.search(r"^\s*(?:lowpowermode|powermode)\s+1\b", settings, re.MULTILINE)
    return Power(
        plugged=drawing[1] == "AC Power" if drawing else None,  # not translated: nor of a UPS
        percent=int(percent[1]) if percent else None,
        sleep_after=int(sleep[1]) if sleep else None,
        held_awake=bool(sleep and "sleep prevented by" in sleep[2]),  # not translated: macOS's
        low_power=low is not None,
    )


def _pmset(what: str) -> str:
    return macos.said("/usr/bin/pmset", "-g", *([what] if what else [])) or ""
