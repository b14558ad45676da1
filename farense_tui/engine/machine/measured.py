"""What `verify --bench` has measured on this machine, kept for forecasts: no names, no paths."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import msgspec
from farense_worker.protocol import plain_file
from farense_worker.protocol.run_folder import write_atomically

from farense_tui.engine.machine.hardware import Machine

FORMAT = 1


class Speeds(msgspec.Struct, frozen=True, kw_only=True):
    """Floating-point operations a second that a training step came to, 0 where unknown.

    quantised: with a model of 4 bits; floats: with one that is not quantised.
    """

    quantised: float = 0.0
    floats: float = 0.0


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a machine, to be compared with those of others.

    versions: by package. settings: what was run. figures: by the name of the row, as it has them.
    verdicts: by the name of the row. load: of the machine when it began, where that is known.
    """

    format: int = FORMAT
    made: float
    chip: str
    memory: int
    cores: int
    backend: str
    system: str
    versions: dict[str, str]
    settings: dict[str, str]
    speeds: Speeds = Speeds()
    figures: dict[str, dict[str, float]] = {}
    verdicts: dict[str, str] = {}
    load: float | None = None

    def of(self, machine: Machine) -> bool:
        """Whether it is this machine's: a home may be shared, or moved to another one."""
        here = (machine.chip, machine.memory, machine.backend)
        return (self.chip, self.memory, self.backend) == here

    @property
    def day(self) -> str:
        """When it was made."""
        return time.strftime("%Y-%m-%d", time.localtime(self.made))


def folder() -> Path:
    """Where what is measured is kept."""
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(os.path.expanduser(base)) / "farense-tui"


def path() -> Path:
    """Where the record of this machine is."""
    return folder() / "this-machine.json"


def read(machine: Machine) -> Record | None:
    """Give this machine's record; None if there is none, or it cannot be read."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        found = msgspec.json.decode(plain_file.content(path()), type=Record)
        if found.format == FORMAT and found.of(machine):
            return found
    return None


def write(record: Record) -> Path:
    """Keep a record as this machine's; its path."""
    path().parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path(), encode(record))
    return path()


def encode(record: Record) -> str:
    """Write a record down."""
    return msgspec.json.format(msgspec.json.encode(record), indent=2).decode() + "\n"
