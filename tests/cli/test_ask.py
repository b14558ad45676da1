"""`farense-tui ask`: with which system prompt a question is put. Real runs answer."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path

import pytest
from farense_worker.protocol.errors import ExitCode

from farense_tui.cli import main
from tests.conftest import SYSTEM
from tests.real_runs import RunMaker, finish

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, micro: Path, data: Path, system_data: Path
) -> Path:
    """Two runs: `under` was trained with a system prompt, `plain` without."""
    make = RunMaker(tmp_path_factory.mktemp("runs"), micro, data)
    for name, rows in (("under", system_data), ("plain", data)):
        finish(make(name, train__epochs=1, data__path=str(rows), data__keep_mb=4))
    return make.folder


def ask(folder: Path, capfd: Capture, *words: str) -> tuple[str, str]:
    given = ["ask", *words, "Quem?", "--max-tokens", "8", "--runs-dir", str(folder)]
    assert main(given) == ExitCode.DONE
    out, err = capfd.readouterr()
    lines = err.splitlines(keepends=True)
    return out, "".join(line for line in lines if "cut off after 8 tokens" not in line)


def test_an_answer_that_is_cut_off_is_told(folder: Path, capfd: Capture) -> None:
    given = ["ask", "plain", "Quem?", "--max-tokens", "1", "--runs-dir", str(folder)]
    assert main(given) == ExitCode.DONE
    told = "{}: cut off after 1 tokens; --max-tokens gives it more".format
    assert capfd.readouterr().err.splitlines() == [told("base model"), told("plain")]


def test_a_run_is_asked_with_what_it_was_trained_with(folder: Path, capfd: Capture) -> None:
    by_itself, err = ask(folder, capfd, "under")
    assert err == ""
    assert by_itself.startswith("[base model] ")
    assert ask(folder, capfd, "under", "--system", SYSTEM) == (by_itself, "")
    without, _ = ask(folder, capfd, "under", "--system", "")
    assert without != by_itself
    assert ask(folder, capfd, "plain", "--system", "") == ask(folder, capfd, "plain")


def test_runs_that_were_trained_otherwise_are_asked_without(folder: Path, capfd: Capture) -> None:
    together, err = ask(folder, capfd, "under", "plain")
    assert "under, plain: trained with different system prompts" in err
    assert ask(folder, capfd, "under", "plain", "--system", "") == (together, "")


def test_a_run_whose_data_is_gone_says_so(folder: Path, tmp_path: Path, capfd: Capture) -> None:
    shutil.copytree(folder / "under", tmp_path / "under")
    config = tmp_path / "under" / "config.toml"
    moved = re.sub('(?m)^path = ".*"', 'path = "/nowhere"', config.read_text(), count=1)
    config.write_text(moved)
    _out, err = ask(tmp_path, capfd, "under")
    assert "the run's own copy of the data is used" in err
    assert "its data is gone" not in err
    shutil.rmtree(tmp_path / "under" / "data")
    out, err = ask(tmp_path, capfd, "under")
    assert "under: its data is gone" in err
    assert ask(folder, capfd, "under", "--system", "") == (out, "")


def test_a_model_without_a_place_for_it_refuses(
    micro: Path, tmp_path: Path, capfd: Capture
) -> None:
    for path in micro.iterdir():
        if path.name != "tokenizer_config.json":
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": "<|end|>"}')
    given = ["ask", "--model", str(tmp_path), "Quem?", "--max-tokens", "1"]
    assert main(given) == ExitCode.DONE
    assert main([*given, "--system", "Ser."]) == ExitCode.REFUSED
    assert "the model takes no system prompt" in capfd.readouterr().err


@pytest.mark.parametrize("words", [["plain"], ["under", "plain"], ["", "--max-tokens", "3"]])
def test_a_run_is_no_question(folder: Path, capfd: Capture, words: list[str]) -> None:
    """`ask RUN` had the base model of the demo answer the run's name, and nobody was told."""
    assert main(["ask", *words, "--runs-dir", str(folder)]) == ExitCode.USAGE
    said = capfd.readouterr().err
    assert "there is no question" in said
    assert 'farense-tui ask RUN "QUESTION"' in said


def test_a_question_comes_from_standard_input(
    folder: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, _err = ask(folder, capfd, "plain")
    given = ["ask", "plain", "-", "--max-tokens", "8", "--runs-dir", str(folder)]
    monkeypatch.setattr("sys.stdin", io.StringIO("Quem?\n"))
    assert main(given) == ExitCode.DONE
    assert capfd.readouterr().out == wanted
    monkeypatch.setattr("sys.stdin", io.StringIO(" \n"))
    assert main(given) == ExitCode.USAGE
