"""`farense-tui estimate`, and what `train` says and refuses before its start: real workers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from farense_worker.protocol.errors import ExitCode
from farense_worker.protocol.messages.estimation import Probe, Probed
from farense_worker.protocol.settings.profile import Model, Profile

from farense_tui.cli import main
from farense_tui.engine.tasks import task
from tests.cli.conftest import Start


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, on a machine of which no speed is known."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))  # where verify --bench keeps it
    monkeypatch.setattr("farense_tui.engine.forecast.forecast.published", lambda _chip: (None, ""))
    return tmp_path


def test_all_profiles_are_forecast_in_a_table(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["estimate"]) == ExitCode.DONE
    told = capsys.readouterr().out
    for name in ("m1-8gb", "m1-16gb", "m1-32gb", "demo"):
        assert name in told
    assert "✓ fits" in told
    assert not list(place.iterdir())


def test_one_profile_is_told_part_by_part(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", "--profile", "demo"]) == ExitCode.DONE
    told = capsys.readouterr().out
    for part in ("weights", "adapter", "optimizer", "activations", "logits", "disk", "164"):
        assert part in told
    assert "the run" not in told  # of which nothing is known without a step's time


def test_a_probe_takes_real_steps(
    place: Path, micro: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--model", str(micro), "--data", str(data), "--set", "train.compile=off", "--json"]
    assert main(["estimate", "--profile", "demo", *given]) == ExitCode.DONE
    before = json.loads(capsys.readouterr().out)["demo"]
    assert before["step_seconds"] is None
    assert before["probe"] is None
    assert main(["estimate", "--profile", "demo", "--probe", *given]) == ExitCode.DONE
    after = json.loads(capsys.readouterr().out)["demo"]
    assert after["speed_from"] == "measured"
    assert after["step_seconds"] > 0
    took = after["probe"]
    assert 1 <= took["steps"] <= 5
    assert 0 < took["lowest_seconds"] <= took["median_seconds"] <= took["highest_seconds"]
    assert after["run_seconds"] > after["steps"] * after["step_seconds"]  # it validates, too
    assert after["parts"]["weights"] == before["parts"]["weights"]
    assert after["largest_micro_batch"] == before["largest_micro_batch"]


def test_no_further_step_is_tried_when_the_time_is_over(micro: Path) -> None:
    model = Model(repo=str(micro))
    asked = Probe(profile=Profile(model=model), rows=1, width=8, labels=4, most_seconds=0.0)
    took = task.result_of("probe", asked, Probed)
    assert took.steps == 1
    assert took.lowest == took.seconds == took.highest > 0


def test_judging_for_another_machine_takes_its_limit(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["estimate", "--profile", "m1-32gb", "--memory", "8", "--json"]) == ExitCode.DONE
    told = json.loads(capsys.readouterr().out)["m1-32gb"]
    assert told["limit"] == int(8 * (1 << 30) * 2 / 3)
    assert told["verdict"] == "will not fit"
    assert told["remedy"]["train.grad_checkpoint"] is True
    assert not told["known_lengths"]
    assert "tokenizer is not here" in told["why"]


def test_what_cannot_fit_is_refused_before_anything_is_written(
    place: Path, micro: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--profile", "demo", "--model", str(micro), "--data", str(data)]
    tiny = ["--set", "memory.limit_gb=0.00001"]
    assert main(["train", *given, *tiny]) == ExitCode.REFUSED
    assert "cannot fit" in capsys.readouterr().err
    assert not (place / "checkpoints").exists()


def test_anyway_starts_it_all_the_same(start: Start, micro: Path, data: Path) -> None:
    worker = start(
        "train", "--profile", "demo", "--model", str(micro), "--data", str(data), "--anyway",
        "--set", "memory.limit_gb=0.00001", "--set", "train.epochs=1",
    )  # fmt: skip
    out, err = worker.communicate(timeout=600)
    assert "cannot fit" not in err
    assert "run demo-1 on" in out


def test_train_tells_the_verdict(start: Start, micro: Path, data: Path) -> None:
    worker = start(
        "train", "--profile", "demo", "--model", str(micro), "--data", str(data),
        "--set", "train.epochs=60",
    )  # fmt: skip
    out, err = worker.communicate(timeout=600)
    assert worker.returncode == ExitCode.DONE, err
    assert "forecast: fits" in out
