"""The runs on the disk: how each is, and that a refusal leaves nothing behind."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import psutil
import pytest
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.messages import events as e
from farense_worker.protocol.processes import lock_holder
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Profile, replace_setting
from farense_worker.protocol.settings.profile_file import parse
from msgspec.structs import replace

from farense_tui.cli import main
from farense_tui.engine.record.state import RunState, fold
from farense_tui.engine.runs import describe, new_run, resuming
from farense_tui.engine.runs import folders as runs
from farense_tui.engine.runs.live_list import going_on_or_resumable
from tests.real_runs import RunMaker

NOW = time.time()
STARTING = e.Phase(name="starting", time=NOW)
STOPPED = e.RunStopped(reason="stopped", step=1, time=NOW)
FAILED = e.RunFailed(kind="x", title="x", detail="", hint="", step=1, time=NOW)


def phase(name: str) -> e.Phase:
    return e.Phase(name=name, time=NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stream", "alive", "word"),
    [
        ([], True, "running"),  # it has not said anything yet
        ([STARTING, phase("training")], True, "running"),
        ([STARTING, phase("paused")], True, "paused"),
        ([STARTING, phase("stopping")], True, "stopping"),
        ([STARTING, STOPPED, STARTING], True, "running"),
        ([], False, "new"),
        ([STARTING, phase("training")], False, "killed"),
        ([STARTING, phase("paused")], False, "killed"),
        ([STARTING, STOPPED], False, "stopped"),
        ([STARTING, FAILED], False, "failed"),
        ([STARTING, e.RunStopped(reason="completed", step=1, time=NOW)], False, "completed"),
        ([STARTING, e.RunStopped(reason="early_stopping", step=1)], False, "early_stopping"),
        ([STARTING, FAILED, STARTING], False, "killed"),  # what was said before is over
    ],
)
def test_one_word_for_how_a_run_is(stream: list[e.Event], alive: bool, word: str) -> None:
    assert describe.status(fold(stream), alive) == word


def test_a_clock_that_was_set_brings_no_machine_down(tmp_path: Path) -> None:
    """The moment of the boot moves with the clock; the boot that a lock names does not."""
    folder = RunFolder(tmp_path)
    here = lock_holder.of(os.getpid())
    long_ago = fold([e.Phase(name="training", time=psutil.boot_time() - 3600)])
    ahead = fold([e.Phase(name="training", time=NOW + 36000)])
    for holder, word in (
        (here, "killed"),
        (replace(here, boot="another"), "lost"),
    ):
        folder.lock_file.write_bytes(msgspec.json.encode(holder))
        assert describe.status(long_ago, False, folder) == word
        assert describe.status(ahead, False, folder) == word
    folder.lock_file.write_bytes(msgspec.json.encode(replace(here, host="another", boot="x")))
    assert describe.status(ahead, False, folder) == "killed"  # another machine's: by the time
    assert describe.status(long_ago, False, folder) == "lost"


def test_a_run_whose_machine_was_started_anew_is_lost() -> None:
    before = fold([e.Phase(name="training", time=psutil.boot_time() - 60)])
    assert describe.status(before, False) == "lost"
    assert describe.status(before, True) == "running"  # the clock was put forward meanwhile


def test_an_unfinished_run_can_be_resumed(make_run: RunMaker) -> None:
    folder = make_run()
    assert describe.summarise(folder).status == "new"
    assert describe.summarise(folder).resumable
    resuming.check_resumable(folder)
    done = e.RunStopped(reason="completed", step=1, time=NOW)
    folder.events.write_bytes(e.encode(STARTING) + e.encode(done))
    assert not describe.summarise(folder).resumable
    with pytest.raises(FarenseError, match="is complete") as caught:
        resuming.check_resumable(folder)
    assert caught.value.exit_code == ExitCode.REFUSED


def test_a_live_run_cannot_be_resumed_or_deleted(make_run: RunMaker) -> None:
    folder = make_run()
    lock = folder.acquire()
    for attempt in (resuming.check_resumable, runs.delete):
        with pytest.raises(FarenseError, match="already being trained"):
            attempt(folder)
    os.close(lock)
    assert folder.exists()
    runs.delete(folder)
    assert not folder.path.exists()


def test_of_a_linked_run_only_the_link_is_deleted(make_run: RunMaker, tmp_path: Path) -> None:
    folder = make_run()
    here = tmp_path / "here"
    here.mkdir()
    (here / "link").symlink_to(folder.path)
    assert [each.name for each in runs.folders(here)] == ["link"]
    runs.delete(runs.find("link", here))
    assert list(here.iterdir()) == []
    assert folder.exists()


def test_a_run_with_a_broken_configuration_is_listed_and_can_be_deleted(make_run: RunMaker) -> None:
    folder = make_run()
    folder.config.write_text("[train")
    summary = describe.summarise(folder)
    assert summary.config is None
    assert summary.status == "new"
    runs.delete(folder)
    assert runs.folders(folder.path.parent) == []


def test_a_run_that_lost_its_settings_is_listed_found_and_deleted(
    make_run: RunMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    """It vanished from the list, with its record and checkpoints on the disk."""
    folder = make_run()
    folder.events.write_bytes(e.encode(STARTING) + e.encode(STOPPED))
    folder.config.unlink()
    runs_dir = folder.path.parent
    assert runs.folders(runs_dir) == [folder]
    summary = describe.summarise(folder)
    assert summary.status == "stopped"
    assert "the settings of run run cannot be read: config.toml: No such file" in summary.wrong
    assert going_on_or_resumable(runs_dir) is None
    for command in (["resume", "run"], ["export", "run", "--to", str(runs_dir / "out")]):
        assert main([*command, "--runs-dir", str(runs_dir)]) == ExitCode.REFUSED
        told = " ".join(capsys.readouterr().err.split())
        assert "the settings of run run cannot be read" in told
    assert runs.rename(folder, "other").path == runs_dir / "other"
    runs.delete(runs.find("other", runs_dir))
    assert runs.folders(runs_dir) == []


def test_the_list_has_the_one_written_to_last_first(make_run: RunMaker) -> None:
    folders = [make_run(name) for name in ("a", "b", "c")]
    for age, folder in zip((30, 10, 20), folders, strict=True):
        folder.events.write_bytes(b"")
        os.utime(folder.events, (NOW - age, NOW - age))
    runs_dir = folders[0].path.parent
    (runs_dir / "not-a-run").mkdir()
    (runs_dir / "a-file").write_text("")
    assert [folder.name for folder in runs.folders(runs_dir)] == ["b", "c", "a"]
    assert runs.folders(runs_dir / "nowhere") == []


def test_a_run_is_found_by_name_and_by_path(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_run("one")
    runs_dir = folder.path.parent
    assert runs.find("one", runs_dir) == folder
    assert runs.find(str(folder.path), Path("elsewhere")) == folder
    monkeypatch.chdir(runs_dir)
    assert runs.find("./one", Path("elsewhere")) == folder
    with pytest.raises(FarenseError, match="there is no run two") as caught:
        runs.find("two", runs_dir)
    assert "one" in caught.value.hint


def test_where_runs_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FARENSE_RUNS", raising=False)
    assert runs.runs_dir() == Path("checkpoints")
    monkeypatch.setenv("FARENSE_RUNS", "/runs")
    assert runs.runs_dir() == Path("/runs")
    assert runs.runs_dir("given") == Path("given")


def test_a_new_name_is_free(tmp_path: Path) -> None:
    assert new_run.new_name("demo", tmp_path / "nowhere") == "demo-1"
    for name in ("demo-1", "demo-2", "demo-4"):
        (tmp_path / name).mkdir()
    assert new_run.new_name("demo", tmp_path) == "demo-3"


def test_what_is_prepared_is_resolved(
    make_run: RunMaker, micro: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it can be resumed from anywhere."""
    monkeypatch.chdir(data.parent)
    folder = make_run(data__path=data.name, model__repo=str(micro))
    config = folder.read_config()
    assert config.data.path == str(data)
    assert config.model.repo == str(micro)
    assert config.run.name == "run"
    assert config.run.created == pytest.approx(time.time(), abs=60)
    assert sorted(p.name for p in folder.path.iterdir()) == ["config.toml"]


Change = tuple[str, object]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (("data.path", "/nowhere"), "run"),
        (("model.repo", "/nowhere"), "run"),
        (("model.repo", "neither"), "run"),
        (("train.epochs", 1), "../out"),
        (("train.epochs", 1), ""),
    ],
)
def test_a_refusal_leaves_nothing_behind(
    tmp_path: Path, micro: Path, data: Path, change: Change, name: str
) -> None:
    profile: Profile = parse("", "x")
    for key, value in (("model.repo", str(micro)), ("data.path", str(data)), change):
        profile = replace_setting(profile, key, value)
    with pytest.raises(FarenseError) as caught:
        new_run.prepare(profile, name=name, profile_name="x", folder=tmp_path / "runs")
    assert caught.value.exit_code == ExitCode.REFUSED
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_it_is_made_leaves_nothing_behind(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_run("other")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(new_run, "write_atomically", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_run("run")
    assert list(other.path.parent.iterdir()) == [other.path]


def test_a_disk_that_is_full_leaves_nothing_behind(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_run("other")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(new_run, "write_atomically", full)
    with pytest.raises(FarenseError, match="no space on the disk"):
        make_run("run")
    assert list(other.path.parent.iterdir()) == [other.path]


def test_a_name_that_is_taken_is_refused(make_run: RunMaker) -> None:
    folder = make_run("run")
    before = folder.config.read_bytes()
    with pytest.raises(FarenseError, match="there is a run run already") as caught:
        make_run("run")
    assert caught.value.kind == "run_exists"
    assert folder.config.read_bytes() == before


def test_a_name_that_is_taken_at_the_same_moment_is_refused(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_run("run")
    monkeypatch.setattr(os.path, "lexists", lambda _: False)  # it was not there yet
    with pytest.raises(FarenseError, match="there is a run run already"):
        make_run("run")
    assert made.exists()


def test_a_link_that_leads_nowhere_takes_a_name_too(make_run: RunMaker) -> None:
    runs_dir = make_run("a").path.parent
    (runs_dir / "demo-1").symlink_to("nowhere")
    assert new_run.new_name("demo", runs_dir) == "demo-2"
    with pytest.raises(FarenseError, match="there is a run demo-1 already"):
        make_run("demo-1")


def test_a_run_that_somebody_else_deleted_is_gone(make_run: RunMaker) -> None:
    folder = make_run("a")
    runs.delete(folder)
    runs.delete(folder)
    with pytest.raises(FarenseError, match="cannot write") as caught:
        folder.acquire()
    assert caught.value.hint == "It was moved or deleted meanwhile."


def test_a_runs_folder_on_a_disk_that_is_away_is_not_an_empty_one(
    make_run: RunMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    away = make_run("a").path.parent.rename(tmp_path / "disk")
    runs_dir = tmp_path / "runs"
    runs_dir.symlink_to(away)
    assert runs.wrong(runs_dir) == ""
    away.rename(tmp_path / "taken")
    said = f"cannot read {runs_dir}: it is a link to {away}, which is not there"
    assert runs.wrong(runs_dir) == said
    assert main(["runs", "--runs-dir", str(runs_dir)]) == ExitCode.REFUSED
    assert f"a link to {away}" in capsys.readouterr().err
    with pytest.raises(FarenseError, match="cannot read"):
        make_run("b")
    assert runs.wrong(tmp_path / "nowhere") == ""


def test_of_a_run_in_which_something_may_not_be_removed_nothing_is(tmp_path: Path) -> None:
    """Checkpoints went, and then it was told that the run cannot be written to."""
    code = """
import os, sys
from pathlib import Path
from farense_worker.protocol.run_folder import RunFolder
from farense_tui.engine.runs import folders
os.geteuid() or (os.setgroups([]), os.setgid(65534), os.setuid(65534))
folders.delete(RunFolder(Path(sys.argv[1])))
"""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # TMPDIR may be root's alone
        run = Path(name) / "run"
        for folder in ("a", "z"):
            (run / folder).mkdir(parents=True)
            (run / folder / "file").touch()
        for path in (Path(name), run, *run.rglob("*"), run / "lock"):
            if not path.is_dir():
                path.touch()
            if os.geteuid() == 0:
                os.chown(path, 65534, 65534)
        (run / "z").chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", code, str(run)], capture_output=True, text=True, check=False
        )
        assert f"cannot write {run}/z" in done.stderr
        assert (run / "a" / "file").exists()
        (run / "z").chmod(0o755)


def test_another_run_that_took_its_name_meanwhile_is_not_deleted(make_run: RunMaker) -> None:
    """A dialog may stand open for hours, and names are given again."""
    folder = make_run("a")
    seen = runs.identity(folder)
    runs.delete(folder)
    make_run("a")
    with pytest.raises(FarenseError, match="a is another run now"):
        runs.delete(folder, seen)
    assert folder.exists()
    runs.delete(folder, runs.identity(folder))
    assert runs.identity(folder) is None


def test_a_run_that_cannot_be_looked_at_is_not_called_deleted(tmp_path: Path) -> None:
    with pytest.raises(FarenseError, match="cannot write"):
        runs.delete(RunFolder(tmp_path / ("x" * 300)))


def test_nobody_starts_in_a_run_that_is_half_deleted(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has left its place before anything in it goes."""
    folder, remove = make_run("a"), shutil.rmtree
    seen = []

    def rmtree(path: Path) -> None:
        seen.append(folder.path.exists())
        remove(path)

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    runs.delete(folder)
    assert seen == [False]
    assert list(folder.path.parent.iterdir()) == []


def test_a_run_that_cannot_be_deleted_is_back_in_its_place(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_run("a")

    def rmtree(path: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", str(path))

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    with pytest.raises(FarenseError, match="cannot write"):
        runs.delete(folder)
    assert runs.folders(folder.path.parent) == [folder]


def test_a_folder_that_another_program_holds_is_not_waited_for_without_end(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_PATIENCE", 0.0)
    folder = make_run("a")
    with runs.alone(folder), pytest.raises(FarenseError, match="held by another program"):
        runs.delete(folder)
    assert folder.exists()


def test_a_share_without_locks_does_not_keep_a_report_from_being_written(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with runs.alone(make_run("a")):
        pass


def test_a_run_that_is_taken_back_leaves_no_folder(make_run: RunMaker) -> None:
    first, second = make_run("a"), make_run("b")
    runs_dir = first.path.parent
    new_run.discard(first)
    assert [p.name for p in runs_dir.iterdir()] == ["b"]
    new_run.discard(second)
    assert not runs_dir.exists()


def test_a_summary_of_a_folder_that_has_gone_away(tmp_path: Path) -> None:
    summary = describe.summarise(RunFolder(tmp_path / "gone"))
    assert summary.state == RunState(run="gone")
    assert summary.config is None
