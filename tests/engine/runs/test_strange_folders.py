"""Whatever stands in a run folder or a record, the others are shown and this one is listed."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
import tracemalloc
from array import array
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import msgspec
import pytest
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.messages import events as e
from farense_worker.protocol.run_folder import RunFolder
from hypothesis import given, settings
from hypothesis import strategies as st

from farense_tui import __version__
from farense_tui.cli import main
from farense_tui.engine.health.observe import Observer
from farense_tui.engine.record import record
from farense_tui.engine.record.point_buffer import Points
from farense_tui.engine.record.series import Series
from farense_tui.engine.record.state import RunState, fold
from farense_tui.engine.runs import describe
from farense_tui.engine.runs.live_list import Listing, going_on_or_resumable
from farense_tui.engine.runs.watch import Snapshot, Watch
from farense_tui.report.page import page
from farense_tui.ui.charts.chart_scale import value_axis
from farense_tui.ui.monitor.outcome import outcome
from farense_tui.ui.monitor.post_mortem import signs
from farense_tui.ui.monitor.run_view import view
from tests import out_of_reach
from tests.real_runs import RunMaker
from tests.ui.monitor_host import held

Damage = Callable[[RunFolder], object]
DEEP = "[" * 100_000
PIPES = (
    "config.toml",
    "events.jsonl",
    "events.note",
    "evaluation.json",
    "lock",
    "remark.txt",
    "simulation.json",
    "training_state.json",
    "training_summary.json",
    "worker.log",
)


def _pipe_for(name: str, run: RunFolder) -> None:
    (run.path / name).unlink(missing_ok=True)
    os.mkfifo(run.path / name)


def _device(run: RunFolder) -> None:
    run.config.unlink()
    run.config.symlink_to("/dev/zero")


DAMAGES: dict[str, Damage] = {
    **{f"a pipe for {name}": functools.partial(_pipe_for, name) for name in PIPES},
    "a device": _device,
    "no settings": lambda run: _without_settings(run),
    "a bad byte": lambda run: run.config.write_bytes(b"# \xff\n" + run.config.read_bytes()),
    "Latin-1": lambda run: run.config.write_bytes("[run]\nname = 'café'".encode("latin-1")),
    "a huge number": lambda run: _replace(run, "created = ", "created = 1e999\n#"),
    "a long number": lambda run: _replace(run, "epochs = ", f"epochs = {'9' * 9999}\n#"),
    "no time": lambda run: _replace(run, "created = ", "created = nan\n#"),
    "deep nesting": lambda run: run.config.write_text(f"x = {DEEP}"),
    "a deep value": lambda run: _replace(run, "prompts = ", f"prompts = {'[' * 90}{']' * 90}\n#"),
    "no file": lambda run: _folder(run.config),
    "a NUL": lambda run: run.config.write_bytes(b"\0" * 500),
    "a step of 1e999": lambda run: run.training_state.write_text('{"step": 1e999}'),
    "a deep state": lambda run: run.training_state.write_text(DEEP),
    "a state in Latin-1": lambda run: run.training_state.write_bytes(b'{"step": "\xe9"}'),
    "a state of another kind": lambda run: run.training_state.write_text('{"step": [1]}'),
    "a record that is a folder": lambda run: _folder(run.events),
    "a record of bytes": lambda run: run.events.write_bytes(os.urandom(5000)),
    "a deep record": lambda run: run.events.write_text(DEEP + "\n"),
    "a note with a step that has no value": lambda run: _noted(
        run, RunState(loss=Series(Points(array("d", [1.0])), 1))
    ),
    "a note of a time before all others": lambda run: _noted(run, RunState(last_time=-1e30)),
    "a remark that is a folder": lambda run: run.remark.mkdir(),
    "a lock that is a folder": lambda run: _folder(run.lock_file),
    "a share that is gone": lambda run: out_of_reach.replaced(run.path),
}


def _without_settings(run: RunFolder) -> None:
    run.events.write_bytes(e.encode(e.Phase(name="training", time=1e9)))
    run.config.unlink()


def _noted(run: RunFolder, state: RunState) -> None:
    """Its checksums are right: they are no secret."""
    told = e.encode(e.Phase(name="training", time=1e9))
    run.events.write_bytes(told)
    note = record.Note(__version__, 10, len(told), crc32(told), state, (), 0, False)
    record._write(run.note, note)


def _folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def _replace(run: RunFolder, what: str, by: str) -> None:
    text = run.config.read_text(encoding="utf-8")
    assert what in text
    run.config.write_text(text.replace(what, by, 1), encoding="utf-8")


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_the_other_runs_are_listed_and_this_one_with_what_is_wrong(
    make_run: RunMaker, damage: Damage, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = make_run("good"), make_run("bad")
    damage(bad)
    runs_dir = good.path.parent
    assert main(["runs", "--runs-dir", str(runs_dir)]) == 0
    out = capsys.readouterr().out
    assert "good " in out
    assert "bad " in out
    found = {each.folder.name: each for each in Listing(runs_dir).summaries()}
    assert found["good"].fault is None
    going_on_or_resumable(runs_dir)
    Watch(bad).look(1e9)
    assert main(["runs", "--json", "--runs-dir", str(runs_dir)]) == 0
    told = {each["run"]: each for each in json.loads(capsys.readouterr().out)}
    assert told["good"]["fault"] is None
    if "bad" in told and describe.summarise(bad).config is None:
        assert told["bad"]["fault"] in out.replace("\n", " ") or told["bad"]["fault"]


@pytest.mark.parametrize("name", PIPES)
@pytest.mark.parametrize("command", ["attach", "report", "evaluate", "ask", "export"])
def test_a_pipe_in_the_place_of_a_file_keeps_no_command_waiting(
    command: str, name: str, make_run: RunMaker
) -> None:
    run = make_run()  # it was never begun
    _pipe_for(name, run)
    words = {"ask": ["?"], "export": ["--to", str(run.path / "out")]}.get(command, [])
    assert (main([command, str(run.path), *words]) != 0) or command in ("attach", "report")


@pytest.mark.parametrize("name", ["config.toml", "events.jsonl", "lock", "worker.log"])
def test_a_run_does_not_go_on_into_a_pipe(
    name: str, make_run: RunMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run()
    _pipe_for(name, run)
    assert main(["resume", str(run.path)]) == 3
    told = capsys.readouterr().err
    assert name in told
    assert "no file, but a pipe" in " ".join(told.split())


def test_a_run_of_another_user_is_listed_with_what_is_wrong(tmp_path: Path) -> None:
    """Whoever is root may see everything, so this is asked by somebody else."""
    code = """
import os, sys
from pathlib import Path
import farense_tui.cli.running.watching  # now: nobody else may look into root's folders
from farense_tui.cli import main
from farense_tui.engine.runs.live_list import Listing
os.geteuid() or os.seteuid(65534)
print([(each.folder.name, each.wrong) for each in Listing(Path(sys.argv[1])).summaries()])
sys.exit(main(["attach", "theirs", "--runs-dir", sys.argv[1]]))
"""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # TMPDIR may be root's alone
        for run in ("theirs", ".Trashes"):
            (Path(name) / run).mkdir(mode=0o700 if os.geteuid() == 0 else 0)
        Path(name).chmod(0o755)
        command = [sys.executable, "-c", code, name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = done.stdout
    assert told.startswith("[('theirs', 'the settings of run theirs cannot be read")
    assert "Permission denied" in told
    assert "Trashes" not in told
    assert done.returncode == 3
    assert "there is no run" not in done.stderr
    assert "Permission denied" in done.stderr


def test_a_record_that_may_not_be_read_is_told(
    make_run: RunMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = make_run("good"), make_run("bad")
    bad.events.mkdir()
    assert main(["runs", "--runs-dir", str(good.path.parent)]) == 0
    (line,) = (each for each in capsys.readouterr().out.splitlines() if each.startswith("bad"))
    assert "events.jsonl" in line


@pytest.mark.parametrize("command", ["attach", "report", "replay", "resume"])
def test_and_by_each_command_that_reads_it(
    command: str, make_run: RunMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run()
    _folder(run.events)
    assert main([command, str(run.path)]) == 3
    assert "events.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize("record", [b"\xff\xfe\n", b"1e999\n", b"[" * 9999, b"{}\n" * 99])
def test_a_record_in_which_nothing_is_an_event_is_told(
    record: bytes, make_run: RunMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its run is not one that was never begun."""
    run = make_run()
    run.events.write_bytes(record)
    for command in ("attach", "report", "replay", "resume"):
        assert main([command, str(run.path)]) == 3
        said = capsys.readouterr().err
        assert "cannot read events.jsonl" in said
        assert "no line of it is an event" in said
    watch = Watch(run)
    watch.look(1e9)
    assert watch.unreadable
    phase = e.encode(e.Phase(name="training", time=1e9))
    run.events.write_bytes(record.strip() + b"\n" + phase)
    watch.look(1e9)
    assert not watch.unreadable


ABSURD: list[float] = [10**30, 1e308, -1e308, 5e-324]
NUMBERS = st.sampled_from([0, 1, -1, 1 << 31, 1 << 53, 1 << 63, 1 << 64, 1e18, 1e11, None, *ABSURD])


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """Lines of every type with absurd numbers in them."""
    found = []
    for example in EXAMPLES:
        fields = json.loads(e.encode(example))
        for name in draw(st.lists(st.sampled_from([*NUMERIC[type(example)]]), max_size=3)):
            fields[name] = draw(NUMBERS)
        found.append(json.dumps(fields).encode())
    return b"\n".join(draw(st.permutations(found))) + b"\n"


EXAMPLES: list[e.Event] = [
    e.Phase(name="starting", time=1e9, seq=1),
    e.RunStarted(
        protocol=1,
        run="r",
        pid=2,
        device="cpu",
        versions={},
        trainable_parameters=1,
        total_parameters=2,
        total_steps=9,
        time=1e9,
        seq=2,
    ),
    e.Heartbeat(phase="training", step=1, rss=1, active_memory=1, cache_memory=1, time=1e9, seq=3),
    *(
        e.Step(
            step=number,
            epoch=0.1,
            loss=1.0,
            learning_rate=1e-4,
            grad_norm=1.0,
            tokens=9,
            padded_tokens=9,
            micro_batches=1,
            seconds=1.0,
            tokens_per_second=9.0,
            active_memory=1,
            cache_memory=1,
            peak_memory=1,
            time=1e9 + number,
            seq=3 + number,
        )
        for number in (1, 2, 3)
    ),
    e.Validation(
        step=3, epoch=0.1, loss=1.0, perplexity=2.0, tokens=9, seconds=1.0, best=True, time=1e9
    ),
    e.Progress(done=1, total=2, unit="rows", time=1e9),
    e.Checkpoint(step=3, path="x", bytes=1, seconds=1.0, best=False, time=1e9),
    e.Sample(step=3, prompt="?", text="!", time=1e9),
]
NUMERIC = {
    type(each): [
        name
        for name in each.__struct_fields__
        if isinstance(getattr(each, name), int | float)
        and not isinstance(getattr(each, name), bool)
    ]
    for each in EXAMPLES
}


@given(lines())
@settings(deadline=None, max_examples=60)
def test_absurd_numbers_in_a_record_are_shown_or_passed_over(
    tmp_path_factory: pytest.TempPathFactory, told: bytes
) -> None:
    look_at(RunFolder(tmp_path_factory.mktemp("run")), told)


@pytest.mark.parametrize("number", ABSURD)
def test_and_each_number_by_itself(tmp_path: Path, number: float) -> None:
    for at, example in enumerate(EXAMPLES):
        for name in NUMERIC[type(example)]:
            fields = [json.loads(e.encode(each)) for each in EXAMPLES]
            fields[at][name] = number
            told = b"\n".join(json.dumps(each).encode() for each in fields) + b"\n"
            look_at(RunFolder(tmp_path), told)


def test_two_numbers_whose_distance_is_endless_have_no_curve() -> None:
    first = next(each for each in EXAMPLES if isinstance(each, e.Step))
    steps = [
        msgspec.structs.replace(first, step=step, loss=loss)
        for step, loss in enumerate((1.0, 1.7e308, -1.7e308, 1e300, -1e300), 1)
    ]
    state = fold(steps)
    assert list(state.loss.not_finite(1, 5)) == [2, 3]
    assert 1 < len(value_axis(-1e300, 1e300, log=False).ticks(6)) <= 7
    assert "<svg" in page("r", None, state, "killed")


def look_at(folder: RunFolder, told: bytes) -> None:
    folder.events.write_bytes(told)
    for now in (1e9, 1e9 + 100):
        show(Watch(folder).look(now))
        with held(folder):
            show(Watch(folder).look(now))
    decoded = [event for line in told.splitlines() if (event := e.decode(line)) is not None]
    page("r", None, fold(decoded), "killed")


def show(snapshot: Snapshot) -> None:
    """As the monitor does, and the page on how it ended."""
    view(snapshot)
    Observer(snapshot.folder).look(snapshot)
    outcome(snapshot, None)
    signs(snapshot)


@pytest.mark.parametrize("pid", [-1, 0, 1 << 31, 10**30])
def test_a_lock_with_a_number_that_no_process_has_hides_nothing(
    pid: int, make_run: RunMaker
) -> None:
    run = make_run()
    run.events.write_bytes(b"".join(map(e.encode, EXAMPLES)))
    with held(run):
        run.lock_file.write_text(json.dumps({"pid": pid}))
        snapshot = Watch(run).look(1e9 + 100)
        assert snapshot.alive
        found = Observer(run).look(snapshot)
    assert [each.rule for each in found] == ["silent"]


def test_a_record_of_one_long_line_is_not_read_byte_by_byte(
    make_run: RunMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run()
    with run.events.open("wb") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(FarenseError, match=r"cannot read events.jsonl"):
            describe.check_readable(run)
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()


def test_a_runs_folder_that_is_a_link_to_itself_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for words in (["runs"], ["ask", "x", "?"], ["export", "x", "--to", str(loop)]):
        assert main([*words, "--runs-dir", str(loop)]) in (0, 3)
        said = capsys.readouterr()
        assert said.out + said.err


def test_a_profile_with_a_bad_byte_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "profiles").mkdir()
    damaged = {"byte": b"\xff", "deep": b"x = " + DEEP.encode(), "long": b"x = " + b"9" * 9999}
    for name, data in damaged.items():
        (tmp_path / "profiles" / f"{name}.toml").write_bytes(data)
    os.mkfifo(tmp_path / "profiles" / "pipe.toml")
    (tmp_path / "profiles" / "device.toml").symlink_to("/dev/zero")
    (tmp_path / "profiles" / "notepad.toml").write_bytes(b"\xef\xbb\xbf[train]\r\nepochs = 3\r\n")
    assert main(["profiles"]) == 0
    out = capsys.readouterr().out
    assert out.count("has faults") == 5
    assert "demo" in out
