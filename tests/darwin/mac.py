"""A Mac to run things on: its programs in a folder, and the environment that makes it one.

Outputs were put together from those that others have published; what a real `farense-tui verify`
brings will replace them. Each program notes its words in `asked`.
"""

from __future__ import annotations

import os
import plistlib
import shlex
from dataclasses import dataclass
from pathlib import Path

from tests.engine.machine.test_vitals import ACCELERATOR, MACMON_08, VM_STAT

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent
BATTERY = """Now drawing from 'AC Power'
 -InternalBattery-0 (id=4653155)\t86%; charging; 1:02 remaining present: true
"""
SETTINGS = """System-wide power settings:
Currently in use:
 standby              1
 Sleep On Power Button 1
 hibernatefile        /var/vm/sleepimage
 powernap             1
 networkoversleep     0
 disksleep            10
 sleep                1 (sleep prevented by caffeinate, powerd)
 hibernatemode        3
 ttyskeepawake        1
 displaysleep         10
 tcpkeepalive         1
 lowpowermode         0
 womp                 0
"""
ASSERTIONS = """2026-11-29 12:00:01 +0000
Assertion status system-wide:
   PreventUserIdleSystemSleep     1
Listed by owning process:
   pid 412(caffeinate): [0x0000b1] 00:00:02 PreventUserIdleSystemSleep named: "caffeinate"
"""

# By program; a text is always said, a dict answers by the words that come after it.
PROGRAMS: dict[str, str | dict[str, str]] = {
    "vm_stat": VM_STAT,
    "sysctl": {
        "-n machdep.cpu.brand_string": "Apple M1\n",
        "-n kern.memorystatus_vm_pressure_level": "1\n",
        "-n sysctl.proc_translated": "0\n",
        "-n kern.bootsessionuuid": "2F9A9C0E-5B51-4E0F-9D0E-1C8E0F7B7A11\n",
        "hw.memsize": "hw.memsize: 17179869184\n",
        "vm.swapusage": "vm.swapusage: total = 2048.00M  used = 612.50M  free = 1435.50M\n",
        "iogpu": "iogpu.wired_limit_mb: 0\n",
    },
    "pmset": {
        "-g batt": BATTERY,
        "-g": SETTINGS,
        "-g therm": "Note: No thermal warning level has been recorded\n",
        "-g assertions": ASSERTIONS,
    },
    "ioreg": plistlib.dumps(ACCELERATOR).decode(),
    "memory_pressure": "The system has 17179869184 (1048576 pages with a page size of 16384).\n",
    "footprint": "python3.12 [412]: 64-bit    Footprint: 120 MB (16384 bytes per page)\n",
    "sw_vers": {
        "": "ProductName:\t\tmacOS\nProductVersion:\t\t15.5\nBuildVersion:\t\t24F74\n",
        "-productVersion": "26.1\n",
    },
    "caffeinate": "",
    "osascript": "",
    "open": "",
    "pbcopy": "",
}


@dataclass(frozen=True)
class Mac:
    """bin: the folder of its programs. asked: what each was started with, a line each."""

    bin: Path
    asked: Path

    def program(self, name: str, says: str | dict[str, str]) -> None:
        """Put a program there, or another one in its place."""
        answers = says if isinstance(says, dict) else {"*": says}
        cases = "".join(
            f"{key if key == '*' else shlex.quote(key)}) cat <<'END'\n{text}END\n;;\n"
            for key, text in answers.items()
        )
        rest = "" if "*" in answers else "*) exit 1 ;;\n"
        path = self.bin / name
        path.write_text(
            f'#!/bin/sh\necho "{name} $*" >> {shlex.quote(str(self.asked))}\n'
            f'case "$*" in\n{cases}{rest}esac\n'
        )
        path.chmod(0o755)

    def without(self, *names: str) -> None:
        """Take programs away."""
        for name in names:
            (self.bin / name).unlink()

    def environment(self, **more: str) -> dict[str, str]:
        """Give the environment of a process on it."""
        stand_in = str(_HERE / "stand_in")
        found = {
            **{name: value for name, value in os.environ.items() if name != "SSH_CONNECTION"},
            "HOME": str(self.bin.parent / "home"),
            "DARWIN_BIN": str(self.bin),
            "PYTHONPATH": os.pathsep.join([stand_in, str(_ROOT)]),
            "PATH": os.pathsep.join([str(self.bin), os.environ["PATH"]]),
            "XDG_DATA_HOME": str(self.bin.parent / "home"),
            "XDG_CONFIG_HOME": str(self.bin.parent / "home"),
            "FARENSE_LANG": "en",
        }
        return found | more

    def was_asked(self, name: str) -> list[str]:
        """Give what a program was started with."""
        lines = self.asked.read_text().splitlines() if self.asked.exists() else []
        return [line.partition(" ")[2] for line in lines if line.split(" ")[0] == name]


def make(place: Path) -> Mac:
    """Make one in a folder."""
    found = Mac(place / "bin", place / "asked")
    found.bin.mkdir(parents=True)
    for name, says in PROGRAMS.items():
        found.program(name, says)
    return found


def with_macmon(found: Mac) -> None:
    """Install macmon on it."""
    found.program("macmon", MACMON_08)
