"""docs/commands.md and the manual page: what they say is what the code says."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from farense_worker.protocol.errors import ExitCode

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "make_commands.py"
# Between our own processes; none is for a user to set.
INTERNAL = {
    f"FARENSE_{name}"
    for name in ("AFTERWARDS", "CONFIG", "FOLDER", "GPU_RESTARTS", "LOCK", "PARENT", "RANK")
}


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """scripts/make_commands.py, which is not part of a package."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    spec = importlib.util.spec_from_file_location("make_commands", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "make_commands", module)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"],
        capture_output=True,
        text=True,
        env={**os.environ, "FARENSE_LANG": "en"},
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_every_variable_that_is_read_is_explained(reference: ModuleType) -> None:
    read = {
        name
        for folder in ("farense_tui", "worker")
        for path in (ROOT / folder).rglob("*.py")
        for name in re.findall(r"\bFARENSE_[A-Z_]+", path.read_text(encoding="utf-8"))
    }
    explained = {name for name in reference.ENVIRONMENT if name.startswith("FARENSE_")}
    assert read - INTERNAL == explained


def test_every_exit_code_is_explained(reference: ModuleType) -> None:
    assert set(reference.EXIT_CODES) == set(ExitCode)


def test_the_manual_page_has_no_faults() -> None:
    groff = shutil.which("groff") or pytest.skip("there is no groff here")
    done = subprocess.run(
        [groff, "-man", "-ww", "-Tutf8", str(ROOT / "docs" / "farense-tui.1")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert "farense-tui train [OPTIONS]" in re.sub("\x1b\\[[0-9;]*m|.\b", "", done.stdout)
