"""`farense-tui doctor`: lines or JSON, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from farense_worker.protocol.errors import ExitCode

from farense_tui.cli import main


def test_lines_for_people(micro: Path, data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    args = ["doctor", "--profile", "demo", "--model", str(micro), "--data", str(data)]
    assert main(args) == ExitCode.DONE
    out, err = capfd.readouterr()
    assert err == ""
    assert "\x1b" not in out
    assert out.startswith("✓ ok   Python       3.")
    assert "MLX may use" in out


def test_json_for_programs_and_a_failure_s_exit_code(
    micro: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b[2J"
    args = ["doctor", "--profile", "demo", "--model", str(micro), "--json"]
    assert main([*args, "--data", str(tmp_path / f"no{evil}")]) == ExitCode.REFUSED
    out = capfd.readouterr().out
    assert "\x1b" not in out
    said = json.loads(out)
    assert said["level"] == "fail"
    assert {check["name"] for check in said["checks"] if check["level"] == "fail"} == {"Data"}
    assert all(set(check) == {"name", "level", "found", "remedy"} for check in said["checks"])
