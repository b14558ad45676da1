"""The screens in Portuguese, and whether any text is not translated: processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _pass(tests: str, tmp_path: Path, *options: str, **environment: str) -> None:
    """Run tests in a process of its own; show what it said if they fail."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    report = f"--snapshot-report={tmp_path / 'report.html'}"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", report, *options, tests]
    done = subprocess.run(
        command, env=kept | environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_pictures_in_portuguese(tmp_path: Path) -> None:
    _pass("tests/ui/in_portuguese.py", tmp_path, FARENSE_TEST_LANG="pt")


def test_no_text_on_the_screens_is_unmarked(tmp_path: Path) -> None:
    _pass("tests/ui/in_strange.py", tmp_path, "-p", "tests.ui.strange")
