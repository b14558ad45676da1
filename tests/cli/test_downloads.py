"""No command brings a large model here without a yes."""

from __future__ import annotations

from pathlib import Path

import pytest
from farense_worker.protocol.errors import ExitCode
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.cli import common, main
from tests import real_runs
from tests.real_runs import RunMaker

LARGE = "mlx-community/Qwen2.5-0.5B-Instruct-4bit"  # its size is known without the hub


@pytest.fixture
def gone(make_run: RunMaker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RunFolder:
    """A finished run whose model is not on this machine any more."""
    run = make_run("one", train__epochs=1)
    real_runs.finish(run)
    repo = run.read_config().model.repo
    run.config.write_text(run.config.read_text().replace(repo, LARGE))
    monkeypatch.setenv("FARENSE_RUNS", str(run.path.parent))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    return run


def test_whatever_loads_a_model_asks_first(
    gone: RunFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = tmp_path / "club.md"
    document.write_text("O clube foi fundado em 1910.")
    commands = (
        ["ask", "one", "?"],
        ["ask", "--model", LARGE, "?"],
        ["serve", "one"],
        ["evaluate", "one"],
        ["export", "one", "--to", str(tmp_path / "out")],
        ["data", "draft", str(document), "--to", str(tmp_path / "draft"), "--model", LARGE],
    )
    for command in commands:
        assert main(command) == ExitCode.REFUSED, command
        said = capsys.readouterr().err
        assert "280 MB to download" in said, command
        assert "--yes agrees to it" in said, command

    monkeypatch.setattr(common, "terminal", lambda: True)
    for answer in ("", "n", "nada"):
        monkeypatch.setattr("builtins.input", lambda _question, said=answer: said)
        for command in commands:
            assert main(command) == ExitCode.STOPPED, command
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "draft").exists()


def test_the_end_of_the_input_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(_question: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", end)
    assert not common.agrees("?")
