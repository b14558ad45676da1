"""The doctor: each line from what it was told, and all of them from this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from farense_worker.protocol.dataset import Summary
from farense_worker.protocol.messages.doctor import Findings
from farense_worker.protocol.plan.disk import RECORD
from farense_worker.protocol.plan.memory import GIB
from farense_worker.protocol.rows.row_faults import Fault
from farense_worker.protocol.run_folder import free_space
from farense_worker.protocol.settings.profile import Profile, Train, replace_setting

from farense_tui.engine.machine import power, terminal
from farense_tui.engine.machine.power import Power, parse_pmset
from farense_tui.engine.machine.terminal import Terminal
from farense_tui.engine.models.locate import ModelState
from farense_tui.engine.preflight import doctor
from farense_tui.engine.preflight.disk_need import disk_need
from farense_tui.engine.preflight.doctor import Check
from farense_tui.engine.preflight.model_and_data import Inspection, inspect
from farense_tui.engine.profiles.catalogue import get

# As macOS prints them.
ON_BATTERY = """Now drawing from 'Battery Power'
 -InternalBattery-0 (id=4653155)\t71%; discharging; 5:11 remaining present: true
"""
PLUGGED = """Now drawing from 'AC Power'
 -InternalBattery-0 (id=4653155)\t100%; charged; 0:00 remaining present: true
"""
DESKTOP = "Now drawing from 'AC Power'\n"
SETTINGS = """System-wide power settings:
Currently in use:
 standby              1
 Sleep On Power Button 1
 hibernatefile        /var/vm/sleepimage
 powernap             1
 networkoversleep     0
 disksleep            10
 sleep                1{held}
 hibernatemode        3
 ttyskeepawake        1
 displaysleep         2
 tcpkeepalive         1
 lowpowermode         {low}
 womp                 0
"""
HELD = " (sleep prevented by caffeinate, powerd)"
MODEL = ModelState("owner/model", "here", Path("/models/m"), 4 * GIB)


def settings(held: str = "", low: int = 0) -> str:
    return SETTINGS.format(held=held, low=low)


@pytest.mark.parametrize(
    ("battery", "said", "expected"),
    [
        (ON_BATTERY, settings(), Power(False, 71, 1)),
        (PLUGGED, settings(HELD), Power(True, 100, 1, held_awake=True)),
        (DESKTOP, settings(low=1), Power(True, None, 1, low_power=True)),
        (PLUGGED.replace("AC", "UPS"), settings(), Power(False, 100, 1)),  # of a mains failure
        # of a virtual Mac, and of one whose sleep somebody has turned off; as others have published
        (
            DESKTOP,
            " SleepDisabled\t\t0\n sleep  0 (sleep prevented by powerd)\n",
            Power(True, None, 0, True),
        ),
        (DESKTOP, " powermode            2\n sleep                20\n", Power(True, None, 20)),
        (DESKTOP, " powermode            1\n", Power(True, low_power=True)),
        ("", "", Power()),
    ],
)
def test_pmset_is_read(battery: str, said: str, expected: Power) -> None:
    assert parse_pmset(battery, said) == expected


@pytest.mark.parametrize(
    ("found", "level", "words"),
    [
        (Power(False, 71, 1), "warn", "on battery at 71%, sleeps after 1 min"),
        (Power(True, 100, 1), "warn", "caffeinate -i"),
        (Power(True, 100, 1, held_awake=True), "ok", "kept awake by a program"),
        (Power(True, 100, 0), "ok", "plugged in, never sleeps"),
        (Power(True, 100, 0, low_power=True), "warn", "low power mode"),
        (Power(), "ok", "nothing known"),
    ],
)
def test_power(found: Power, level: str, words: str) -> None:
    check = doctor.awake(found)
    assert check.level == level
    assert words in f"{check.found} {check.remedy}"


def test_a_mac_that_a_run_keeps_awake_is_no_fault() -> None:
    check = doctor.awake(Power(True, 100, 1), held=True)
    assert check.level == "ok"
    assert check.found == "plugged in, sleeps after 1 min, but not while a run trains"
    assert doctor.awake(Power(False, 71, 1), held=True).level == "warn"  # it may run empty


def test_this_machine_s_power_can_be_asked() -> None:
    assert doctor.awake(power.power()).name == "Power"


@pytest.mark.parametrize(
    ("available", "level"), [(2 * GIB, "fail"), (5 * GIB, "warn"), (12 * GIB, "ok")]
)
def test_free_memory_is_compared_with_the_model(available: int, level: str) -> None:
    check = doctor.memory(available, 16 * GIB, MODEL, [("Safari", 2 * GIB)])
    assert check.level == level
    assert "Safari 2.0 GiB" in check.found
    assert bool(check.remedy) == (level != "ok")


@pytest.mark.parametrize(("shared", "level"), [(True, "warn"), (False, "ok")])
def test_a_model_that_makes_a_mac_swap_is_told(shared: bool, level: str) -> None:
    """Enough is free just now, and yet the system wants it back."""
    check = doctor.memory(7 * GIB, 8 * GIB, replace(MODEL, bytes=4 * GIB), [], shared=shared)
    assert check.level == level
    assert ("swap" in check.remedy) is shared


def test_terminal_app_is_told_how_dots_join() -> None:
    there = Terminal(True, "Apple Terminal", 120, 36, 256, True)
    assert "Menlo" in doctor.screen(there).remedy
    assert doctor.screen(there).level == "ok"
    assert doctor.screen(replace(there, name="iTerm.app", colours=1 << 24)).remedy == ""


def test_the_largest_programs_are_others() -> None:
    found = doctor.programs()
    assert len(found) <= 3
    assert [size for _, size in found] == sorted((size for _, size in found), reverse=True)


def test_swap() -> None:
    assert doctor.swap(0).level == "ok"
    assert doctor.swap(3 * GIB).level == "warn"


@pytest.mark.parametrize(
    ("state", "level"), [("here", "ok"), ("download", "warn"), ("missing", "fail")]
)
def test_model(state: str, level: str) -> None:
    check = doctor.model(ModelState("owner/model", state, bytes=GIB))  # type: ignore[arg-type]
    assert check.level == level


def test_data() -> None:
    def about(rows: dict[str, int], *faults: Fault) -> Check:
        why = "no" if any(fault.code == "not_json" for fault in faults) else ""
        summary = Summary(Path("/d"), rows, faults, len(faults), why)
        return doctor.data(Inspection(MODEL, None, summary))

    assert about({"train": 3, "valid": 1}).level == "ok"
    assert about({"train": 3}).level == "warn"
    check = about({"train": 3}, Fault(Path("/d/train.jsonl"), 2, "not JSON", "not_json"))
    assert check.level == "fail"
    assert "/d/train.jsonl:2: not JSON" in check.found
    check = about({"train": 30, "valid": 1}, Fault(Path("/d/train.jsonl"), 2, "no row"))
    assert (check.level, "1 row is left out" in check.found) == ("warn", True)


def test_whether_the_rate_is_reached() -> None:
    def about(**train: object) -> Check:
        profile = Profile(train=Train(**train))  # type: ignore[arg-type]
        summary = Summary(Path("/d"), {"train": 80, "valid": 8}, ())
        (check,) = doctor.learning_rate(profile, Inspection(MODEL, None, summary))
        return check

    assert about().level == "ok"
    assert "0.0002 from step 3 of 30" in about().found
    assert "warm-up of 3 steps in place of 100" in about().found
    assert about(warmup_cap=0.0).level == "warn"
    assert "6e-05 of 0.0002 at most" in about(warmup_cap=0.0).found


def test_disk() -> None:
    assert doctor.disk(GIB, 2 * GIB).level == "fail"
    assert doctor.disk(3 * GIB, 2 * GIB).level == "warn"
    assert doctor.disk(9 * GIB, 2 * GIB).level == "ok"


def test_free_space_of_a_folder_that_is_yet_to_be_made(tmp_path: Path) -> None:
    assert free_space(tmp_path / "a" / "b") > 0


@pytest.mark.parametrize(
    ("environment", "colours"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, 1 << 24),
        ({"TERM": "xterm-kitty"}, 1 << 24),
        ({"TERM": "xterm-256color"}, 256),
        ({"TERM": "xterm"}, 16),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, 0),
        ({"TERM": "dumb"}, 0),
        ({}, 0),
    ],
)
def test_what_a_terminal_says_of_its_colours(environment: dict[str, str], colours: int) -> None:
    found = terminal.read(environment, True, "utf-8", 120, 40)
    assert found.colours == colours
    assert doctor.screen(found).level == ("ok" if colours >= 256 else "warn")


def test_a_terminal_that_is_too_small_or_knows_no_unicode() -> None:
    environment = {"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}
    small = doctor.screen(terminal.read(environment, True, "UTF-8", 79, 40))
    assert small.level == "warn"
    assert "Apple Terminal, 79x40" in small.found
    ascii_only = doctor.screen(terminal.read(environment, True, "US-ASCII", 80, 24))
    assert "no Unicode" in ascii_only.found
    assert doctor.screen(terminal.read({}, False, "", 0, 0)).level == "ok"


def findings(**more: object) -> Findings:
    values: dict[str, object] = {
        "python": "3.12.1",
        "executable": "/p",
        "machine": "arm64",
        "mlx": "0.32.4",
        "mlx_lm": "0.32.2",
        "wanted": {"mlx": ">=0.32,<0.33"},
        "device": "gpu (Apple M1)",
        "on_gpu": True,
        "memory": 16 * GIB,
        "memory_limit": int(10.67 * GIB),
    }
    return Findings(**(values | more))  # type: ignore[arg-type]


def test_what_the_worker_says_of_a_mac() -> None:
    versions, device, limit = doctor.told(findings())
    assert [versions.level, device.level] == ["ok", "ok"]
    assert device.found == "gpu (Apple M1)"
    assert limit.found == "MLX may use 10.7 GiB well, 67% of the memory"


def test_what_the_worker_says_of_a_wrong_python_or_version() -> None:
    old, cpu, *_ = doctor.told(
        findings(mlx="0.29.0", on_gpu=False, device="cpu (x)", why="translated", translated=True)
    )
    assert (old.level, old.remedy) == ("warn", "It is tested with mlx >=0.32,<0.33.")
    assert (cpu.level, cpu.remedy) == ("warn", "Install a Python for Apple chips (arm64).")


def test_an_mlx_that_cannot_be_imported_is_the_end_of_it() -> None:
    (broken,) = doctor.told(findings(fault="ImportError: libmlx.so"))
    assert broken.level == "fail"
    assert "libmlx.so" in broken.found


def test_a_slow_blas_is_told_with_the_remedy() -> None:
    slow = doctor.fast_blas(None)
    assert slow.level == "warn"
    assert "libopenblas0" in slow.remedy
    assert "fast-cpu" in slow.remedy
    assert doctor.fast_blas(Path("/usr/lib/libopenblas.so.0")).level == "ok"


def test_this_machine_from_beginning_to_end(micro: Path, data: Path, tmp_path: Path) -> None:
    profile = replace_setting(get("demo"), "model.repo", str(micro))
    profile = replace_setting(profile, "data.path", str(data))
    found = list(doctor.checks(profile, tmp_path / "runs"))
    names = [check.name for check in found]
    assert names[0] == "Python"
    assert [name for name in names[-4:] if name != "BLAS"][-3:] == ["MLX", "Device", "Working set"]
    assert not [check for check in found if check.level == "fail"]
    assert not (tmp_path / "runs").exists()


def test_a_model_that_says_nothing_of_its_size(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[]")
    assert disk_need(get("demo"), ModelState("x/y", "here", tmp_path)) == RECORD
    assert disk_need(get("demo"), ModelState("x/y", "download")) == RECORD


def test_the_worst_counts() -> None:
    checks = [Check("a", "ok", ""), Check("b", "warn", "")]
    assert doctor.worst([]) == "ok"
    assert doctor.worst(checks) == "warn"
    assert doctor.worst([Check("c", "fail", ""), *checks]) == "fail"


def test_inspection_is_what_it_looks_at(micro: Path, data: Path) -> None:
    profile = replace_setting(get("demo"), "model.repo", str(micro))
    found = inspect(replace_setting(profile, "data.path", str(data)))
    assert doctor.model(found.model).level == "ok"
    assert "21 train" in doctor.data(found).found
