"""`farense-tui models`: the list, and downloads from a hub on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from farense_worker.protocol.errors import ExitCode

from farense_tui.engine.models.assets import embedded_model
from tests.hub.loopback import Hub


def tui(tmp_path: Path, hub: Hub, *args: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "FARENSE_"))}
    environment |= {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "hf")}
    return subprocess.run(
        [sys.executable, "-m", "farense_tui", *args],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_from_the_hub_into_the_list(tmp_path: Path) -> None:
    with Hub({"owner/tiny": embedded_model()}) as hub:
        done = tui(tmp_path, hub, "models", "download", "owner/tiny")
        assert (done.returncode, done.stderr) == (ExitCode.DONE, "")
        assert done.stdout.startswith("owner/tiny is here, 2 MiB\n")
        listed = tui(tmp_path, hub, "models", "--json")
        models = {each["name"]: each for each in json.loads(listed.stdout)}
        assert set(models) == {"embedded", "owner/tiny"}
        assert models["owner/tiny"]["whole"]
        assert models["owner/tiny"]["layers"] == 3
        shown = tui(tmp_path, hub, "models")
        assert "owner/tiny  2 MiB  llama" in shown.stdout


def test_what_is_refused(tmp_path: Path) -> None:
    with Hub({"owner/gated": embedded_model()}, gated={"owner/gated"}) as hub:
        gated = tui(tmp_path, hub, "models", "download", "owner/gated")
        assert gated.returncode == ExitCode.REFUSED
        assert "gated" in gated.stderr
        nonsense = tui(tmp_path, hub, "models", "download", "nonsense")
        assert nonsense.returncode == ExitCode.REFUSED
        assert "cannot be downloaded" in nonsense.stderr


def test_a_profile_alone_does_not_let_a_model_run_its_code(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from farense_tui.cli import main

    profile = tmp_path / "mine.toml"
    profile.write_text("[model]\ntrust_remote_code = true\n")
    runs = ["--runs-dir", str(tmp_path / "runs")]
    assert main(["train", "--profile", str(profile), *runs]) == ExitCode.REFUSED
    err = capfd.readouterr().err
    assert "run its own Python code" in err
    assert "--set model.trust_remote_code=true" in err
    assert not (tmp_path / "runs").exists()


def test_a_run_downloads_nothing_large_without_a_yes(tmp_path: Path) -> None:
    with Hub({"owner/tiny": embedded_model()}) as hub:
        large = tui(tmp_path, hub, "train", "--profile", "m1-16gb", "--anyway")
        assert large.returncode == ExitCode.REFUSED
        assert "5.1 GB to download" in large.stderr
        assert "--yes agrees to it" in large.stderr
        assert not (tmp_path / "checkpoints").exists()
        gone = tui(tmp_path, hub, "train", "--model", "owner/gone", "--profile", "demo")
        assert gone.returncode == ExitCode.REFUSED
        assert "no such repository" in gone.stderr
