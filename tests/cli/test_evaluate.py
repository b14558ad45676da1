"""`farense-tui evaluate`: the table, the JSON, what it keeps, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from farense_worker.protocol.errors import ExitCode
from farense_worker.protocol.messages.evaluation import Answer, Report, Row, Score
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.cli import main
from farense_tui.engine.tasks import evaluation
from tests import real_runs
from tests.real_runs import RunMaker
from tests.tokenizers import chat, write


@pytest.fixture
def trained(make_run: RunMaker, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A finished run whose data has a test set with an evil row."""
    data = make_run.folder.parent / "data"
    for split in ("train", "valid", "test"):
        rows = [chat(f"Quem é {i} \x1b[2J[b]?", f"É o {i}.") for i in range(8)]
        write(data / f"{split}.jsonl", *rows)
    run = make_run("one", data__path=str(data), train__epochs=12)
    real_runs.finish(run)
    monkeypatch.setenv("FARENSE_RUNS", str(make_run.folder))
    return run


def test_base_and_adapter_stand_in_one_table_and_in_the_run_folder(
    trained: RunFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    assert evaluation.kept(trained) is None
    assert main(["evaluate", "one"]) == ExitCode.DONE
    out, err = capfd.readouterr()
    assert err == ""
    assert "\x1b" not in out
    lines = out.splitlines()
    assert lines[0].endswith("test.jsonl: 8 rows, greedy answers")
    assert " ".join(lines[2].split()) == "loss perplexity exact match token F1 chrF seconds"
    assert lines[3].startswith("base model")
    assert lines[4].startswith("one ")
    assert "[b]?" in out  # a question is shown, and its markup is text
    report = evaluation.kept(trained)
    assert report is not None
    assert [score.name for score in report.scores] == ["", "one"]
    assert report.measured == len(report.rows) == 8
    assert "/" not in report.data + "".join(score.model for score in report.scores)

    # with --json the same, for programs; what is only a part is not kept
    trained.evaluation.unlink()
    assert main(["evaluate", "one", "one", "--rows", "2", "--max-tokens", "3", "--json"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert [score["name"] for score in said["scores"]] == ["", "one"]
    assert len(said["rows"]) == said["measured"] == 2
    assert said["max_tokens"] == 3
    assert not trained.evaluation.exists()

    # what cannot be kept is shown all the same
    trained.evaluation.with_name(f".{trained.evaluation.name}.tmp").mkdir()
    assert main(["evaluate", "one"]) == ExitCode.REFUSED
    out, err = capfd.readouterr()
    assert "base model" in out
    assert "cannot write" in err


def test_a_run_without_an_adapter_is_refused(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = make_run("new")
    monkeypatch.setenv("FARENSE_RUNS", str(run.path.parent))
    assert main(["evaluate", "new"]) == ExitCode.REFUSED
    assert "run new has no adapter yet" in capfd.readouterr().err


def test_runs_with_different_data_need_to_be_told_which(
    make_run: RunMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    other = tmp_path / "other"
    write(other / "train.jsonl", chat("Quem?", "Ele."))
    for run in (make_run("one"), make_run("two", data__path=str(other))):
        run.adapters.mkdir()
        (run.adapters / "adapters.safetensors").touch()
    monkeypatch.setenv("FARENSE_RUNS", str(make_run.folder))
    assert main(["evaluate", "one", "two"]) == ExitCode.REFUSED
    err = capfd.readouterr().err
    assert "the runs were trained on different data" in err
    assert "--data DIR" in err


def test_the_worker_s_refusal_is_the_command_s(
    trained: RunFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "one", "--data", str(tmp_path / "none")]) == ExitCode.REFUSED
    assert "there is no test set" in capfd.readouterr().err


@pytest.mark.parametrize("option", ["--rows", "--max-tokens"])
def test_a_number_below_zero_is_wrong_usage(
    option: str, make_run: RunMaker, capfd: pytest.CaptureFixture[str]
) -> None:
    run = make_run("one")
    runs = ["--runs-dir", str(run.path.parent)]
    assert main(["evaluate", "one", option, "-1", *runs]) == ExitCode.USAGE
    assert "below 0" in capfd.readouterr().err


def test_differences_are_sorted_and_leave_out_what_is_the_same() -> None:
    def row(line: int, before: float, after: float) -> Row:
        answers = (Answer(f"a{before}", False, 0, before), Answer(f"a{after}", False, 0, after))
        return Row(line, "q", "r", answers)

    scores = tuple(Score(name=n, model="m", loss=1, perplexity=1, tokens=1) for n in ("", "x"))
    rows = (row(1, 50, 40), row(2, 10, 90), row(3, 7, 7), row(4, 10, 90))
    report = Report(
        data="d", split="test", time=0, max_tokens=1, scores=scores, rows=rows, measured=4
    )
    found = evaluation.differences(report, scores[1])
    assert [(each.row.line, each.chrf) for each in found] == [(2, 80), (4, 80), (1, -10)]
