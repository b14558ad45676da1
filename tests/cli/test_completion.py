"""The completion scripts, in the shells themselves."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from farense_tui.cli import main
from farense_tui.cli.completion import SHELLS, script

ASK = """
COMP_WORDS=(%s) COMP_CWORD=%d
_farense_tui && printf '%%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An environment with two runs in it, in which farense-tui is found."""
    for name in ("club-1", "club-2"):
        (tmp_path / "kept" / name).mkdir(parents=True)
        (tmp_path / "kept" / name / "config.toml").touch()
    here = str(Path(sys.executable).parent)
    found = {**os.environ, "FARENSE_RUNS": str(tmp_path / "kept"), "HOME": str(tmp_path)}
    return {**found, "PATH": f"{here}{os.pathsep}{os.environ['PATH']}"}


def needs(name: str) -> str:
    """Where a shell is; the test is skipped if it is not here."""
    return shutil.which(name) or pytest.skip(f"there is no {name} here")


def bash(words: list[str], env: dict[str, str], cwd: Path) -> list[str]:
    """What bash offers for the last of these words."""
    asked = ASK % (shlex.join(words), len(words) - 1)
    run = [needs("bash"), "--norc", "-c", script("bash") + asked]
    done = subprocess.run(run, capture_output=True, text=True, check=True, env=env, cwd=cwd)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("trai", ["train"]),
        ("data ''", ["check", "draft", "make", "mend", "review"]),
        ("train --de", ["--detach"]),
        ("train --backend ri", ["ring"]),
        ("train --profile de", ["demo"]),
        ("train --set train.ep", ["train.epochs="]),
        ("runs --lang ''", ["en", "pt"]),
        ("completion f", ["fish"]),
        ("demo fl", ["flat", "flood"]),
        ("resume club", ["club-1", "club-2"]),
        ("evaluate club-1 club-2", ["club-2"]),
        ("export club-1 --to ke", ["kept"]),
    ],
)
def test_bash_completes(
    typed: str, offered: list[str], shell: dict[str, str], tmp_path: Path
) -> None:
    assert sorted(bash(["farense-tui", *shlex.split(typed)], shell, tmp_path)) == offered


def test_what_stands_in_a_name_is_not_run(shell: dict[str, str], tmp_path: Path) -> None:
    bad = tmp_path / "kept" / "$(touch broken)"
    bad.mkdir()
    (bad / "config.toml").touch()
    bash(["farense-tui", "resume", ""], shell, tmp_path)
    assert not (tmp_path / "broken").exists()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("trai", {"train"}),
        ("train --profile de", {"demo"}),
        ("resume club", {"club-1", "club-2"}),
        ("train --set train.ep", {"train.epochs="}),
    ],
)
def test_fish_completes(
    typed: str, offered: set[str], shell: dict[str, str], tmp_path: Path
) -> None:
    ask = f"{script('fish')}\ncomplete -C {shlex.quote(f'farense-tui {typed}')}"
    run = [needs("fish"), "--no-config", "-c", ask]
    done = subprocess.run(run, capture_output=True, text=True, check=True, env=shell, cwd=tmp_path)
    assert {line.partition("\t")[0] for line in done.stdout.splitlines()} == offered


def test_zsh_takes_the_script() -> None:
    run = [needs("zsh"), "-n"]
    done = subprocess.run(run, input=script("zsh"), capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_tcsh_takes_the_script(tmp_path: Path) -> None:
    (tmp_path / "script").write_text(script("tcsh"))
    run = [needs("tcsh"), "-f", "-c", f"source {shlex.quote(str(tmp_path / 'script'))}; complete"]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("farense-tui")
    assert done.stderr == ""


@pytest.mark.parametrize("shell_name", SHELLS)
def test_the_command_prints_the_script(
    shell_name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", f"/bin/{shell_name}")
    assert main(["completion"]) == 0
    assert capsys.readouterr().out == f"{script(shell_name)}\n"


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "cmd.exe"]) == 2
    assert "bash, zsh, fish, tcsh" in capsys.readouterr().err


def test_names_of_no_runs_are_no_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["completion", "--names", "runs", "--runs-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""
