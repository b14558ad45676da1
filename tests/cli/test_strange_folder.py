"""Modules that lie where the user stands are not taken for ours, nor for Python's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
NAMES = ("farense_worker", "json", "numpy", "tests", "worker")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of somebody who names scripts as everybody does. Importing one would be seen."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('{name} of the user')\n")
    return tmp_path


def farense(folder: Path, *words: str | Path) -> str:
    done = subprocess.run(
        list(map(str, words)), cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_training_and_its_report(folder: Path, micro: Path, data: Path) -> None:
    (folder / "types.py").write_text("raise RuntimeError('types of the user')\n")
    settings = ("--set", "train.epochs=1", "--set", "report.questions=0")
    words = ("train", "--model", micro, "--data", data, "--name", "run", *settings)
    assert farense(folder, BIN / "farense-tui", *words)
    assert (folder / "checkpoints/run/report.html").is_file()


def test_a_task_of_the_worker(folder: Path, micro: Path, data: Path) -> None:
    words = ("data", "check", data, "--model", micro)
    assert farense(folder, BIN / "farense-tui", *words)


@pytest.mark.skipif(sys.platform == "darwin", reason="has no such names")
@pytest.mark.parametrize("runs", ["here", "elsewhere"])
def test_a_home_that_is_not_utf8_is_told_before_there_is_a_run(
    tmp_path: Path, micro: Path, data: Path, runs: str
) -> None:
    """Its run was half made, and kept its name."""
    home = Path(os.fsdecode(os.fsencode(tmp_path) + b"/jos\xe9"))
    shutil.copytree(data, home / "d")
    there = {"here": home / "checkpoints", "elsewhere": tmp_path / "runs"}[runs]
    words = ["train", "--model", str(micro), "--data", "d", "--name", "one", "--detach"]
    words += ["--runs-dir", str(there)] if runs == "elsewhere" else []
    done = subprocess.run(
        [sys.executable, "-m", "farense_tui", *words],
        cwd=home,
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "is not UTF-8" in done.stderr
    assert "jos\\udce9" in done.stderr
    assert not there.exists()


def test_python_m(folder: Path) -> None:
    assert farense(folder, sys.executable, "-m", "farense_tui", "profiles")


def test_a_mac_s_own_python_is_told_at_once() -> None:
    """Xcode's python3 is 3.9; from the folder of the sources it finds this module."""
    code = (
        "import runpy, sys; sys.version_info = (3, 9, 6)\n"
        "runpy.run_module('farense_tui', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("farense-tui needs Python 3.11 or newer")
