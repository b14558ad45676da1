"""The app and its workers on a made-up Mac: what only a Mac executes is executed, and right."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.darwin import lines, mac
from tests.darwin.mac import Mac
from tests.waiting import is_dead, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a Mac needs no stand-in")
coverage = pytest.importorskip("coverage")

SMALL = ("train.batch_size=8", "train.epochs=1", "checkpoint.every=2", "report.questions=0")


class Desk:
    """A Mac in front of which somebody sits; what is executed on it is counted."""

    def __init__(self, place: Path, model: Path, data: Path) -> None:
        self.mac = mac.make(place)
        self.place, self.model, self.data = place, model, data
        rc = place / "coveragerc"
        rc.write_text(
            "[run]\nparallel = true\npatch = _exit\nsigterm = true\n"
            f"data_file = {place / 'counted'}\n"
            f"source = {lines.ROOT / 'farense_tui'}\n    {lines.ROOT / 'worker'}\n"
        )
        self._counted = {"COVERAGE_PROCESS_START": str(rc)}

    def python(self, code: str, **environment: str) -> Any:
        """Run some lines that print JSON."""
        return json.loads(self._done([sys.executable, "-c", code], environment).stdout)

    def tui(self, *words: str, code: int = 0, **environment: str) -> str:
        """Run a command."""
        done = self._done([sys.executable, "-m", "farense_tui", *words], environment, code)
        return done.stdout

    def app(self, *words: str) -> pexpect.spawn[str]:
        """Open the app in a terminal."""
        return pexpect.spawn(
            sys.executable,
            ["-m", "farense_tui", *words],
            env=self.mac.environment(TERM="xterm-256color", **self._counted),
            dimensions=(36, 120),
            cwd=str(self.place),
            timeout=120,
            encoding="utf-8",
        )

    def executed(self) -> dict[str, set[int]]:
        """Lines that were executed, by file."""
        data = coverage.CoverageData(basename=str(self.place / "counted"))
        for file in self.place.glob("counted.*"):
            writer = re.search(r"\.pid(\d+)\.", file.name)
            assert writer, file.name
            until(partial(is_dead, int(writer[1])))
            part = coverage.CoverageData(basename=str(file))
            with suppress(coverage.exceptions.DataError):  # of one killed while it wrote this
                part.read()
                data.update(part)
        found = {}
        for name in data.measured_files():
            path = Path(name)
            if path.is_relative_to(lines.ROOT):
                found[str(path.relative_to(lines.ROOT))] = set(data.lines(name) or ())
        return found

    def _done(
        self, command: list[str], environment: dict[str, str], code: int = 0
    ) -> subprocess.CompletedProcess[str]:
        env = self.mac.environment(**self._counted, **environment)
        done = subprocess.run(
            command, capture_output=True, text=True, env=env, cwd=self.place, timeout=300
        )
        assert done.returncode == code, done.stderr[-3000:]
        return done


def test_what_only_a_mac_executes(tmp_path: Path, micro: Path, data: Path) -> None:
    desk = Desk(tmp_path, micro, data)
    for scene in SCENES:
        scene(desk)
    executed = desk.executed()
    wanted = lines.all_of_them()
    left = {
        name: sorted(those - executed.get(name, set()))
        for name, those in wanted.items()
        if those - executed.get(name, set())
    }
    total = sum(map(len, wanted.values()))
    missing = sum(map(len, left.values()))
    print(f"{total - missing} of {total} lines that only a Mac executes were executed")
    assert left == {}
    said = f"All {total} lines that only a Mac executes"
    assert said in (lines.ROOT / "docs" / "architecture.md").read_text()


def doctor(desk: Desk) -> None:
    said = json.loads(desk.tui("doctor", "--profile", "demo", "--json"))
    found = {check["name"]: check for check in said["checks"]}
    assert found["Machine"]["found"].startswith("Apple M1, ")
    assert found["Machine"]["found"].endswith("macOS 15.5")
    assert found["Power"]["found"] == "plugged in, kept awake by a program"
    assert found["Power"]["level"] == "ok"
    assert "Metal is not available" in found["Device"]["found"]  # MLX's CPU build is below it


def rosetta(desk: Desk) -> None:
    """A Python for Intel, which Rosetta translates, is told at once."""
    desk.mac.program("sysctl", PROGRAMS_OF_ROSETTA)
    said = json.loads(
        desk.tui("doctor", "--profile", "demo", "--json", code=3, DARWIN_MACHINE="x86_64")
    )
    device = next(check for check in said["checks"] if check["name"] == "Device")
    assert "translated" in device["found"]
    assert "arm64" in device["remedy"]
    python = next(check for check in said["checks"] if check["name"] == "Python")
    assert "for Intel Macs" in python["found"]
    desk.tui("train", "--profile", "demo", "--name", "intel", code=3, DARWIN_MACHINE="x86_64")
    assert not (desk.place / "checkpoints").exists()
    desk.mac.program("sysctl", mac.PROGRAMS["sysctl"])


PROGRAMS_OF_ROSETTA = {**dict(mac.PROGRAMS["sysctl"]), "-n sysctl.proc_translated": "1\n"}  # type: ignore[arg-type]


def the_device(desk: Desk) -> None:
    """The worker's side in a process that is not killed once it has told: why there is no GPU."""
    code = (
        "import json, types; from farense_worker.tasks import doctor\n"
        "metal = types.SimpleNamespace(metal=types.SimpleNamespace(is_available=lambda: {there}))\n"
        "print(json.dumps(doctor._why_cpu(metal)))"
    )
    assert "virtual machine" in desk.python(code.format(there=False))
    assert "was set to the CPU" in desk.python(code.format(there=True))
    desk.mac.program("sysctl", PROGRAMS_OF_ROSETTA)
    assert "translated" in desk.python(code.format(there=False))
    desk.mac.program("sysctl", mac.PROGRAMS["sysctl"])


def a_run(desk: Desk) -> None:
    """Trained, moved while it trains, and resumed; the Mac is kept awake for each worker."""
    sets = [f"--set={each}" for each in SMALL]
    words = ["--profile", "demo", "--model", str(desk.model), "--data", str(desk.data), *sets]
    out = desk.tui("train", *words, "--name", "one", "--json", FARENSE_CACHE="")
    events = [json.loads(line) for line in out.splitlines()]
    assert events[-1]["type"] == "run_stopped"
    pid = next(event["pid"] for event in events if event["type"] == "run_started")
    assert f"-i -s -w {pid}" in desk.mac.was_asked("caffeinate")
    lock = json.loads((desk.place / "checkpoints/one/lock").read_text() or "{}")
    assert lock["boot"] == "2F9A9C0E-5B51-4E0F-9D0E-1C8E0F7B7A11"
    assert "report.html" in desk.tui("report", "one", MPLCONFIGDIR=str(desk.place / "fonts"))


READ = ("machine", "swap", "swapping", "pressure", "gpu", "power", "awake", "footprint")


def readings(desk: Desk) -> None:
    """Each of verify's rows, from the words of this Mac's tools."""
    code = (
        "import json, os; from farense_tui.engine.verify import readings\n"
        "rows = list(readings.rows(os.getpid()))\n"
        "print(json.dumps({r.name: [r.verdict, r.found, r.raw] for r in rows}))"
    )
    found = desk.python(code)
    assert {name: each[0] for name, each in found.items()} == dict.fromkeys(READ, "holds")
    assert found["gpu"][1] == "97%"
    assert found["power"][1] == "plugged in, 86%"
    assert "Swapouts" in found["swapping"][2]
    desk.mac.program("vm_stat", "Mach Virtual Memory Statistics, but Swapins is told otherwise\n")
    assert desk.python(code)["swapping"][:2] == ["fails", "not understood"]
    desk.mac.program("vm_stat", mac.PROGRAMS["vm_stat"])


def macmon(desk: Desk) -> None:
    code = (
        "import json; from farense_tui.engine.machine import vitals; r = vitals.Reader()\n"
        "v = r.look(); print(json.dumps([v.pressure, v.gpu, v.gpu_power]))"
    )
    mac.with_macmon(desk.mac)
    assert desk.python(code) == ["normal", 0.94, 8.2]
    for other in ("not json\n", "[1]\n"):  # of another program with that name
        desk.mac.program("macmon", other)
        assert desk.python(code) == ["normal", 0.97, None]
    desk.mac.without("macmon")
    desk.mac.program("ioreg", "no plist\n")
    assert desk.python(code) == ["normal", None, None]
    desk.mac.program("ioreg", mac.PROGRAMS["ioreg"])


def without_tools(desk: Desk) -> None:
    """A system that has not these programs, or whose programs hang: all of it is unknown."""
    desk.mac.program("pmset", "")
    hangs = desk.mac.bin / "ioreg"
    hangs.write_text("#!/bin/sh\nexec sleep 60\n")
    desk.mac.without("vm_stat")
    code = (
        "import json, subprocess\n"
        "from farense_tui.engine.machine import vitals, power, hardware\n"
        "from farense_worker.protocol.processes import macos\n"
        "macos.PATIENCE = 0.2; r = vitals.Reader(); r.look(); v = r.look()\n"
        "found = [v.swap_in, v.gpu, v.pressure, power.power().plugged, sorted(r._missing)]\n"
        "print(json.dumps(found))"
    )
    assert desk.python(code) == [None, None, "normal", None, ["/usr/bin/vm_stat"]]
    desk.mac.without("sysctl", "pmset")
    code = (
        "import json\n"
        "from farense_tui.engine.machine import power\n"
        "from farense_worker.protocol.processes import lock_holder\n"
        "from farense_worker.loop import memory\n"
        "print(json.dumps([power.power().plugged, lock_holder._boot(), memory.footprint() > 0]))"
    )
    assert desk.python(code, DARWIN_NO_RUSAGE="1") == [None, "", True]
    for name in ("vm_stat", "sysctl", "pmset", "ioreg"):
        desk.mac.program(name, mac.PROGRAMS[name])


def a_newer_system(desk: Desk) -> None:
    """macOS 26 is 16.0 for what was built for an older one, and 26.1 for its own programs."""
    code = (
        "import json; from farense_tui.engine.machine import hardware\n"
        "print(json.dumps(hardware.machine().system))"
    )
    assert desk.python(code) == "macOS 15.5"
    assert desk.python(code, DARWIN_VERSION="16.0") == "macOS 26.1"


def after_a_sleep(desk: Desk) -> None:
    """A worker is known again although the time at which psutil says that it began has moved."""
    code = (
        "import json, os, pathlib, psutil, msgspec, subprocess, sys\n"
        "from farense_worker.protocol.processes import lock_holder\n"
        "code = 'input()  # farense_worker'\n"
        "worker = subprocess.Popen([sys.executable, '-c', code], stdin=subprocess.PIPE)\n"
        "holder = lock_holder.of(worker.pid); lock = pathlib.Path('lock')\n"
        "psutil.Process.create_time = lambda self: 1e9\n"
        "another = msgspec.structs.replace(holder, started='1')\n"
        "gone = msgspec.structs.replace(holder, pid=2**22 + 1)\n"
        "found = [lock_holder.is_here(each, lock) for each in (holder, another, gone)]\n"
        "os.environ['DARWIN_NO_RUSAGE'] = '1'  # of another user: the signal will tell\n"
        "print(json.dumps([bool(holder.started), *found, lock_holder.is_here(holder, lock)]))\n"
        "worker.communicate(b'.')"
    )
    assert desk.python(code) == [True, True, False, False, True]


def an_adapter_moved(desk: Desk) -> None:
    """Where a folder went is found by its descriptor."""
    code = (
        "import json, os, pathlib\n"
        "from farense_worker.loop import custody\n"
        "here = pathlib.Path('moved-from'); here.mkdir(); fd = os.open(here, os.O_RDONLY)\n"
        "here.rename('moved-to'); print(json.dumps(custody._path(fd).name))"
    )
    assert desk.python(code) == "moved-to"


def another_machine(desk: Desk) -> None:
    """macOS 15 keeps a terminal from machines nearby, and says that there is no route."""
    code = (
        "import json; from farense_worker.ranks import reports\n"
        "print(json.dumps([reports._reach('b', 'ssh: No route to host'), reports._reach('b')]))"
    )
    refused, plain = desk.python(code)
    assert "Local Network" in refused
    assert "Local Network" not in plain


def the_desktop(desk: Desk) -> None:
    """Messages, and files that are opened: by macOS's own programs."""
    code = (
        "import json, pathlib; from farense_tui.engine.machine import desktop\n"
        "print(json.dumps([desktop.show_file(pathlib.Path('report.html')),"
        " desktop.notify('It is done', 'loss 0.1')]))"
    )
    assert desk.python(code) == [True, True]
    assert desk.mac.was_asked("open") == ["report.html"]
    assert "It is done loss 0.1" in desk.mac.was_asked("osascript")[-1]
    (desk.mac.bin / "open").write_text("not a program\n")
    (desk.mac.bin / "open").chmod(0o755)
    assert desk.python(code)[0] is False


def the_app(desk: Desk) -> None:
    """The screen opens and leaves; it shows what the machine is."""
    screen = desk.app()
    screen.expect("Welcome")
    screen.send("\r")
    screen.expect("Longest row")
    screen.send("q")
    screen.expect(pexpect.EOF)
    screen.close()
    assert screen.exitstatus == 0


SCENES = (
    doctor,
    rosetta,
    the_device,
    a_run,
    readings,
    macmon,
    without_tools,
    a_newer_system,
    after_a_sleep,
    an_adapter_moved,
    another_machine,
    the_desktop,
    the_app,
)


@pytest.fixture
def own(tmp_path: Path) -> Mac:
    return mac.make(tmp_path)


def test_a_system_program_that_is_not_recorded_is_not_taken_from_this_machine(own: Mac) -> None:
    code = "import subprocess; subprocess.run(['/usr/bin/env'])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=own.environment(), capture_output=True, text=True
    )
    assert "FileNotFoundError" in done.stderr


def test_lines_for_a_mac_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "ROOT", tmp_path)
    path = tmp_path / "some.py"
    path.write_text(
        "import sys\n"
        "def one():\n"
        '    if sys.platform == "darwin":\n'
        "        return 1\n"
        "    return 2\n"
        "def two():\n"
        '    if sys.platform != "darwin":\n'
        "        return 2\n"
        "    return 1\n"
    )
    assert lines.of(path) == {4, 9}
