"""Runs as TensorBoard and wandb see them, against the record they come from."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.messages import events
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Report, replace_setting
from farense_worker.protocol.settings.profile_file import dumps

from farense_tui.cli import main
from farense_tui.cli.output import relative
from farense_tui.cli.running import headless
from farense_tui.engine.record.tail import Tail
from farense_tui.engine.runs import resuming, trackers
from farense_tui.track.follow import _alone, _write, track
from farense_tui.track.tensorboard import TensorBoard
from tests import holding, real_runs
from tests.real_runs import RunMaker, state_of
from tests.track import files
from tests.waiting import until

_STEP_TAGS = {
    "train/loss": "loss",
    "train/learning_rate": "learning_rate",
    "train/grad_norm": "grad_norm",
    "train/epoch": "epoch",
    "train/tokens_per_second": "tokens_per_second",
    "memory/active_bytes": "active_memory",
    "memory/cache_bytes": "cache_memory",
    "memory/peak_bytes": "peak_memory",
}


def wait_for(run: RunFolder, name: str) -> Path:
    """Wait until the process that the launcher started is at its end."""
    place = trackers.place(run, name)
    until(lambda: place.is_dir() and any(place.iterdir()))  # so it holds the folder, or has held it
    with _alone(place, wait=True):
        pass
    return place


def expected(run: RunFolder) -> tuple[dict[int, events.Step], dict[int, events.Validation]]:
    """Steps and validations of the record; of a step told twice, the later one."""
    told = Tail(run.events).read_all()
    steps = {e.step: e for e in told if isinstance(e, events.Step)}
    validations = {e.step: e for e in told if isinstance(e, events.Validation)}
    return steps, validations


def compare(run: RunFolder, figures: files.Figures) -> None:
    steps, validations = expected(run)
    for tag, field in _STEP_TAGS.items():
        found = figures[tag]
        assert [step for step, _ in found] == list(range(1, len(steps) + 1))
        assert [value for _, value in found] == pytest.approx(
            [getattr(steps[step], field) for step, _ in found], rel=1e-6
        )
    assert dict(figures["validation/loss"]) == pytest.approx(
        {step: event.loss for step, event in validations.items()}, rel=1e-6
    )
    told = [type(event) for event in Tail(run.events).read_all()]
    beaten = (
        events.Step in told[told.index(events.Heartbeat) :] if events.Heartbeat in told else False
    )
    assert beaten == ("memory/process_bytes" in figures)


SAMPLED: dict[str, Any] = {
    "report__prompts": ("Quem é o número 3?", "E o 4?"),
    "report__sample_tokens": 5,
}


def test_a_run_is_written_for_tensorboard_while_it_trains(make_run: RunMaker) -> None:
    run = make_run(report__trackers=("tensorboard",), **SAMPLED)
    real_runs.finish(run)
    figures, texts = files.tensorboard(wait_for(run, "tensorboard"))
    compare(run, figures)
    settings = texts["settings/text_summary"][0][1]
    assert "| lora.rank | 4 |" in settings
    assert f"| data.path | {Path(run.read_config().data.path).name} |" in settings
    (made,) = trackers.place(run, "tensorboard").iterdir()
    assert re.fullmatch(r"events\.out\.tfevents\.\d+", made.name)  # and no machine's name
    answers = [e for e in Tail(run.events).read_all() if isinstance(e, events.Sample)]
    second = [e for e in answers if e.prompt == "E o 4?"]
    assert [step for step, _ in texts["samples/2/text_summary"]] == [e.step for e in second]
    assert texts["samples/2/text_summary"][0][1].startswith("> E o 4?")
    assert not trackers.log(run, "tensorboard").read_text()


def test_a_resumed_run_has_no_step_twice(make_run: RunMaker) -> None:
    run = make_run(report__trackers=("tensorboard",))
    holding.kill_at(run, 6)
    figures, _ = files.tensorboard(wait_for(run, "tensorboard"))
    assert figures["train/loss"][-1][0] == state_of(run).step
    resuming.prepare_resume(run, {})
    real_runs.finish(run)
    assert state_of(run).segments[-1].resumed_from_step < figures["train/loss"][-1][0]
    last = len(expected(run)[0])
    place = trackers.place(run, "tensorboard")

    def written_again() -> bool:
        if not any(place.glob("events.out.tfevents.*")):  # just now it is made anew
            return False
        try:
            return last in dict(files.tensorboard(place)[0].get("train/loss", []))  # or still empty
        except struct.error:  # its last event is not there as a whole
            return False

    until(written_again)
    compare(run, files.tensorboard(wait_for(run, "tensorboard"))[0])


def test_a_finished_run_is_written_by_the_command(
    make_run: RunMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run()
    real_runs.finish(run)
    for _ in range(2):  # the second time in the place of the first
        assert main(["track", str(run.path), "--to", "tensorboard"]) == 0
        assert "tensorboard" in capsys.readouterr().out
        compare(run, files.tensorboard(trackers.place(run, "tensorboard"))[0])


def test_tensorboard_itself_reads_it(make_run: RunMaker) -> None:
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="TensorBoard is not installed: farense-tui only writes its files",
    )
    run = make_run(**SAMPLED)
    real_runs.finish(run)
    found = reader.EventAccumulator(str(track(run, "tensorboard")), size_guidance={"scalars": 0})
    found.Reload()
    figures = {
        tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]
    }
    compare(run, figures)
    assert "samples/2/text_summary" in found.Tags()["tensors"]


def test_wandb_reads_it(make_run: RunMaker) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed: it takes over 50 MB")
    run = make_run(report__trackers=("wandb",), **SAMPLED)
    holding.kill_at(run, 6)
    wait_for(run, "wandb")
    resuming.prepare_resume(run, {})
    real_runs.finish(run)
    place, last = trackers.place(run, "wandb"), len(expected(run)[0])
    until(lambda: any(row.get("_step") == last for row in files.wandb(place)[1]))
    config, history = files.wandb(wait_for(run, "wandb"))
    assert config["lora.rank"] == 4
    figures: files.Figures = {}
    for row in history:
        for key, value in row.items():
            if isinstance(value, int | float):
                figures.setdefault(key, []).append((row["_step"], value))
    compare(run, figures)
    steps = expected(run)[0]
    times = {row["_step"]: row["_timestamp"] for row in history}
    assert times[1] == pytest.approx(steps[1].time)
    tables = [row["_step"] for row in history if any(k.startswith("samples") for k in row)]
    assert tables == sorted(expected(run)[1])


def test_a_tracker_that_is_not_installed_is_refused_before_the_start(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(trackers.PACKAGES, "wandb", "no_package_of_this_name")
    with pytest.raises(FarenseError, match="not installed: wandb") as caught:
        make_run(report__trackers=("tensorboard", "wandb"))
    assert "pip install 'farense-tui[wandb]'" in caught.value.hint
    run = make_run()
    assert [each.name for each in run.path.parent.iterdir()] == [run.name]
    with pytest.raises(FarenseError, match="not installed"):
        resuming.prepare_resume(run, {"report.trackers": ("wandb",)})
    with pytest.raises(FarenseError, match="not installed"):
        track(run, "wandb")


def test_a_tracker_that_fails_harms_no_run(make_run: RunMaker) -> None:
    run = make_run(report__trackers=("tensorboard",), train__epochs=1)
    trackers.place(run, "tensorboard").write_text("in the way")
    assert real_runs.finish(run).status == "completed"
    until(lambda: trackers.log(run, "tensorboard").read_text())
    assert "farense-tui:" in trackers.log(run, "tensorboard").read_text()
    assert "Traceback" not in trackers.log(run, "tensorboard").read_text()


def test_who_follows_a_run_is_told_where_its_tracker_is_and_why_not(
    make_run: RunMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(report__trackers=("tensorboard",), report__at_end=False)
    both = ("tensorboard", "wandb")  # whose packages need not be there for this
    run.config.write_text(dumps(replace_setting(run.read_config(), "report.trackers", both)))
    trackers.place(run, "tensorboard").mkdir()
    headless.tell_files(run, run.read_config().report, ExitCode.FAILED)
    assert capsys.readouterr() == (f"tensorboard: {relative(run.path)}/tensorboard\n", "")
    trackers.log(run, "wandb").write_text("farense-tui: there is no space\n")
    headless.tell_files(run, run.read_config().report, ExitCode.FAILED)
    told = capsys.readouterr().err
    assert "not tracked to wandb: farense-tui: there is no space" in told
    assert "not tracked to tensorboard" not in told


def test_a_tracker_that_failed_and_is_started_again_has_said_nothing(make_run: RunMaker) -> None:
    run = make_run(report__trackers=("tensorboard",), train__epochs=1)
    trackers.log(run, "tensorboard").write_text("farense-tui: there is no space\n")
    real_runs.finish(run)
    wait_for(run, "tensorboard")
    assert not trackers.log(run, "tensorboard").read_text()


def test_a_writer_that_is_still_held_has_its_file_on_the_disk(make_run: RunMaker) -> None:
    run = make_run(train__epochs=1)
    real_runs.finish(run)
    place = trackers.place(run, "tensorboard")
    writer = TensorBoard(place, run.read_config())
    assert _write(run, writer, follow=False)
    compare(run, files.tensorboard(place)[0])


def test_two_do_not_write_the_same_files(make_run: RunMaker) -> None:
    run = make_run()
    place = trackers.place(run, "tensorboard")
    place.mkdir()
    with _alone(place, wait=True), pytest.raises(FarenseError, match="is being written"):
        track(run, "tensorboard")


def test_the_profile_and_the_command_know_the_same_trackers() -> None:
    declared = get_args(get_type_hints(Report)["trackers"])[0]
    assert get_args(declared) == tuple(trackers.PACKAGES)
    for name in trackers.PACKAGES:
        with pytest.raises(SystemExit):
            main(["track", "--to", name])
