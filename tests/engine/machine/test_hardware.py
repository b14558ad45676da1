"""What the machine is."""

from __future__ import annotations

import pytest
from farense_worker.protocol.plan.memory import GIB

from farense_tui.engine.machine import hardware
from farense_tui.engine.machine.hardware import parse_cpuinfo

X86 = """\
processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 142
model name\t: Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz
stepping\t: 10
flags\t\t: fpu vme de pse tsc msr

processor\t: 1
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 142
model name\t: Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz
"""

# 64-bit ARM: no name for the processor, on a board its own name at the end
RASPBERRY = """\
processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

Hardware\t: BCM2835
Revision\t: c03111
Serial\t\t: 100000003b2e1d5c
Model\t\t: Raspberry Pi 4 Model B Rev 1.1
"""

GRAVITON = """\
processor\t: 0
BogoMIPS\t: 243.75
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1
"""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (X86, "Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz"),
        (GRAVITON, ""),  # then the machine's architecture stands in for it
        ("", ""),
        ("model name", ""),
    ],
)
def test_the_name_of_the_processor_on_linux(text: str, name: str) -> None:
    assert parse_cpuinfo(text) == name


def test_a_board_is_told_by_a_name_of_its_own() -> None:
    assert parse_cpuinfo(RASPBERRY) in ("BCM2835", "Raspberry Pi 4 Model B Rev 1.1")


def test_this_machine_is_told() -> None:
    machine = hardware.machine()
    assert machine.chip
    assert machine.cores >= 1
    assert machine.memory > GIB // 4
    assert machine.backend in ("Metal", "CUDA", "CPU")
    assert machine.system.split()[0] in ("Linux", "macOS")
    assert machine.apple_silicon == (machine.backend == "Metal")


def test_memory_is_told_in_bytes() -> None:
    sample = hardware.memory()
    assert sample.total == hardware.machine().memory
    assert 0 < sample.available <= sample.total
    assert sample.swap_used >= 0
