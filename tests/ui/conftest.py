"""What every test of the screens needs: a folder of its own, a machine that never changes, a
clock that stands, a cursor that does not blink.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import psutil
import pytest
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.messages.data_check import Report, Split
from farense_worker.protocol.messages.estimation import Facts
from farense_worker.protocol.plan.memory import GIB
from farense_worker.protocol.run_folder import RunFolder
from textual.notifications import Notification
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from farense_tui.engine.forecast import gather
from farense_tui.engine.machine import hardware, vitals
from farense_tui.engine.machine.hardware import Machine, MemorySample
from farense_tui.engine.machine.vitals import Vitals
from farense_tui.engine.models import locate
from farense_tui.engine.runs import clock, new_run
from farense_tui.engine.tasks import data_check
from farense_tui.ui import preferences
from farense_tui.ui.app import FarenseApp
from farense_tui.ui.launch.data import reader
from tests.no_tensors import weights
from tests.waiting import until

NOW = 1_780_003_600.0
M1 = Machine(chip="Apple M1", memory=16 * GIB, cores=8, backend="Metal", system="macOS 14.5")
REPORT = Report(
    "data",
    "embedded",
    512,
    True,
    "chat",
    (Split("train", 640, 9000, 4000, 7, 13, 20, 31), Split("valid", 40, 560, 250, 7, 13, 20, 31)),
)
MEMORY = MemorySample(total=16 * GIB, available=int(9.6 * GIB), swap_used=0)
FACTS = Facts(
    device="gpu (Apple M1)",
    gpu=True,
    limit=11_453_250_000,
    available=int(9.6 * GIB),
    rows={},
    no_rows="the tokenizer is not here",
)
REAL_FACTS = gather.facts
VITALS = Vitals(swap_in=0.0, swap_out=0.0, pressure="normal", gpu=0.93, gpu_power=8.2)

_STAND_IN = """
import os, signal, sys, time
from pathlib import Path
from farense_worker.protocol.messages.events import Phase, RunStopped, encode
from farense_worker.protocol.run_folder import RunFolder, write_pid
folder = RunFolder(Path(sys.argv[1]))
lock = folder.acquire()
def stop(*_):
    with folder.events.open("ab") as file:
        file.write(encode(RunStopped(time=time.time(), seq=9, reason="stopped", step=1)))
    os._exit(130)
signal.signal(signal.SIGTERM, stop if "--deaf" not in sys.argv else signal.SIG_IGN)
with folder.events.open("ab") as file:
    file.write(encode(Phase(time=time.time(), seq=1, name="training")))
write_pid(lock, os.getpid())
time.sleep(600)
"""

StandIn = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture(autouse=True)
def _isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the developer's own: profiles, runs, models, time zone."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    for name in ("NO_COLOR", "FARENSE_RUNS", "FARENSE_ASCII", "XDG_CONFIG_HOME", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (("HOME", str(tmp_path / "home")), ("TZ", "UTC")):
        monkeypatch.setenv(name, value)
    time.tzset()
    hub = str(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", hub)


@pytest.fixture(autouse=True)
def _faults_end_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours is to be seen by the test; what the system refuses is told as always."""
    monkeypatch.setattr(FarenseApp, "SPARED", (OSError, FarenseError))


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same picture on every machine at every time."""
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setattr(preferences, "welcomed", lambda: True)
    monkeypatch.setattr(hardware, "machine", lambda: M1)
    monkeypatch.setattr(hardware, "memory", lambda: MEMORY)
    monkeypatch.setattr(vitals.Reader, "look", lambda self: VITALS)
    monkeypatch.setattr(Input, "cursor_blink", False)
    monkeypatch.setattr(psutil, "boot_time", lambda: 0.0)
    monkeypatch.setattr(Notification, "time_left", 3600.0)  # it is gone in six seconds else
    monkeypatch.setattr("locale.getencoding", lambda: "utf-8")  # LC_ALL counts before any of ours


@pytest.fixture(autouse=True)
def _embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model and data that look like the embedded ones and never change."""
    model = tmp_path / "embedded-model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "tokenizer.json").write_text("{}")
    (model / "model.safetensors").write_bytes(weights(3 << 20))
    monkeypatch.setattr(locate, "embedded_model", lambda: model)
    data = write_data(tmp_path / "embedded-data", train=640, valid=80, test=80)
    monkeypatch.setattr(new_run, "embedded_data", lambda: data)


@pytest.fixture(autouse=True)
def _checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check of the data that finds the same at once; tests/ui/launch has the real one."""
    monkeypatch.setattr(reader, "STILL", 0.05)
    monkeypatch.setattr(data_check, "request", lambda profile, **_: profile)
    monkeypatch.setattr(data_check, "run", lambda asked, stop: iter([REPORT]))


@pytest.fixture(autouse=True)
def _forecast(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker on that machine would say; tests/ui/launch/test_screen.py asks a real one."""
    monkeypatch.setattr(gather, "facts", lambda _profile, _stop=None: FACTS)


@pytest.fixture
def lasting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notices stay: beside load one may be gone before it was looked for."""
    monkeypatch.setattr(Notification, "time_left", 1000.0)


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    """Where the runs are."""
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """Start processes that hold a run's lock and end at SIGTERM, as workers do, in no time."""
    started: list[subprocess.Popen[bytes]] = []

    def start(folder: RunFolder, *options: str) -> subprocess.Popen[bytes]:
        root = Path(__file__).resolve().parents[2]
        process = subprocess.Popen(
            [sys.executable, "-c", _STAND_IN, str(folder.path), *options],
            env={**os.environ, "PYTHONPATH": str(root)},
            start_new_session=True,
        )
        started.append(process)
        until(lambda: folder.pid() == process.pid, found=process.poll)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def write_data(folder: Path, **rows: int) -> Path:
    """Make a data set with so many rows in each split."""
    folder.mkdir(parents=True)
    for split, count in rows.items():
        lines = [json.dumps({"prompt": f"{n}?", "completion": f"{n}"}) for n in range(count)]
        (folder / f"{split}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder


def text_of(screen: Screen[Any]) -> str:
    """All that is on a screen, as plain text."""
    lines = screen._compositor.render_strips(screen.app.size)
    return "\n".join("".join(segment.text for segment in line) for line in lines)


def in_sizes_and_themes(test: Callable[..., None]) -> Callable[..., None]:
    """Take a picture at each `size` in each `theme`."""
    sizes = [(80, 24), (120, 36), (200, 50)]
    themes = pytest.mark.parametrize("theme", ["farense-dark", "farense-light"])
    return pytest.mark.parametrize("size", sizes, ids=lambda s: f"{s[0]}x{s[1]}")(themes(test))


Steps = Callable[[Pilot[None]], Awaitable[None]]
