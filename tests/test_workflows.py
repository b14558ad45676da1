"""What runs on GitHub: the workflows are right as far as can be seen without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
ACTIONLINT = Path(sys.executable).with_name("actionlint")


@pytest.mark.skipif(not WORKFLOWS, reason="this copy has no workflows")
@pytest.mark.skipif(not ACTIONLINT.exists(), reason="actionlint is not installed (extra dev)")
def test_actionlint_finds_nothing() -> None:
    # By name, for a copy without .git; the same with and without other linters beside it.
    command = [str(ACTIONLINT), "-no-color", "-shellcheck=", "-pyflakes=", *map(str, WORKFLOWS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_readings_script_goes_through_where_no_tool_is_there(tmp_path: Path) -> None:
    script = ROOT / "scripts" / "mac_readings.sh"
    subprocess.run(["sh", script, tmp_path / "kept"], check=True, timeout=120)
    assert "exit code" in (tmp_path / "kept" / "vm_stat.txt").read_text()
