"""The run folder: its name, its lock, its files."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from farense_worker.protocol import checkpoint_files, plain_file, run_folder
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.run_folder import (
    RunFolder,
    check_name,
    disk_error,
    free_space,
    is_full,
    write_atomically,
)
from hypothesis import example, given
from hypothesis import strategies as st

# Holds the lock of the folder argv[1] until its stdin is closed.
HOLD = """
import sys
from pathlib import Path
from farense_worker.protocol.run_folder import RunFolder
lock = RunFolder(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    path = tmp_path / "run"
    path.mkdir()
    return RunFolder(path)


@given(st.text() | st.text(alphabet="ab.-_/~\\ \n\0", max_size=12))
@example("..")
@example(".")
@example("a/../../b")
@example("a\n")
@example("é")
@example("x" * 100)
@example("x" * 101)
def test_a_name_never_leaves_the_folder(name: str) -> None:
    runs = Path("/runs")
    try:
        check_name(name)
    except FarenseError:
        return
    assert os.path.normpath(runs / name) == f"/runs/{name}"
    assert Path(name).name == name
    assert not name.startswith((".", "-"))
    assert len(name) <= 100
    assert name.isascii()
    assert name.isprintable()


def test_a_name_that_will_not_do_is_refused() -> None:
    with pytest.raises(FarenseError, match="cannot be the name of a run") as caught:
        check_name("../out")
    assert caught.value.exit_code == ExitCode.REFUSED


@pytest.mark.parametrize("name", ["a", "0", "demo-1", "m1-8gb-12", "A.b_c-d", "x" * 100])
def test_ordinary_names_are_taken(name: str) -> None:
    assert check_name(name) == name


def test_the_lock_tells_whether_a_run_is_alive(folder: RunFolder) -> None:
    assert not folder.is_alive()
    assert not folder.lock_file.exists()  # asking leaves no trace
    lock = folder.acquire()
    assert folder.is_alive()
    assert folder.is_alive()  # and asking takes nothing away
    os.close(lock)
    assert not folder.is_alive()


def test_the_lock_is_taken_once(folder: RunFolder) -> None:
    lock = folder.acquire()
    run_folder.write_pid(lock, 4711)
    with pytest.raises(FarenseError, match="is already being trained") as caught:
        folder.acquire(patience=0.05)
    assert caught.value.kind == "run_locked"
    assert "4711" in caught.value.detail
    os.close(lock)
    os.close(folder.acquire(patience=0.0))


def test_the_lock_ends_with_the_process_that_holds_it(folder: RunFolder) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert folder.is_alive()
        holder.kill()
        holder.wait()
        assert not folder.is_alive()


def test_the_lock_is_held_for_as_long_as_one_holder_of_the_descriptor_lives(
    folder: RunFolder,
) -> None:
    """That is what lets a launcher pass it on and go."""
    lock = folder.acquire()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=(lock,)) as heir:
        os.close(lock)
        assert folder.is_alive()
        assert heir.stdin is not None
        heir.stdin.close()
        heir.wait()
    assert not folder.is_alive()


def test_a_share_that_knows_no_locks_is_named(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some of SMB and NFS; there is none here to try it on."""

    def flock(_descriptor: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(FarenseError, match="files cannot be locked") as caught:
        folder.acquire()
    assert caught.value.exit_code == ExitCode.REFUSED
    assert not folder.is_alive()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ESTALE])
def test_a_lock_that_cannot_be_looked_at_just_now_is_no_dead_run(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """`stop` said that a run is not being trained where it could open no more files."""

    def fails(*_asked: object) -> int:
        raise OSError(number, os.strerror(number))

    os.close(folder.acquire())
    assert not folder.is_alive()
    with monkeypatch.context() as within:
        within.setattr("farense_worker.protocol.plain_file.opened", fails)
        assert folder.is_alive()
    monkeypatch.setattr("fcntl.flock", fails)
    assert folder.is_alive()


def test_a_child_that_is_not_meant_to_does_not_inherit_the_lock(folder: RunFolder) -> None:
    lock = folder.acquire()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as child:
        os.close(lock)
        assert not folder.is_alive()
        assert child.stdin is not None
        child.stdin.close()


def test_the_process_id_is_unknown_until_it_is_written(folder: RunFolder) -> None:
    assert folder.pid() is None
    lock = folder.acquire()
    assert folder.pid() is None
    run_folder.write_pid(lock, 123456)
    assert folder.pid() == 123456
    run_folder.write_pid(lock, 7)
    assert folder.pid() == 7
    os.close(lock)
    os.close(folder.acquire())
    assert folder.pid() is None  # the next worker's is not known yet


def test_a_run_without_its_folder_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(FarenseError, match="cannot write"):
        RunFolder(tmp_path / "nothing").acquire()


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_atomically(path, "old")
    write_atomically(path, "É novo\n")
    assert path.read_text(encoding="utf-8") == "É novo\n"
    assert [p.name for p in tmp_path.iterdir()] == ["state.json"]


def test_a_replacement_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.json"
    write_atomically(path, "old")

    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run_folder, "sync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """A run folder from somebody else may have links that lead to one's own files."""
    own, folder = tmp_path / "own", RunFolder(tmp_path / "run")
    own.write_text("precious")
    folder.path.mkdir()
    for name in ("lock", "events.jsonl", ".config.toml.tmp"):
        (folder.path / name).symlink_to(own)
    with pytest.raises(FarenseError, match="cannot write"):
        folder.acquire()
    with pytest.raises(OSError, match="symbolic") as caught:
        plain_file.handed_on(folder.events)
    assert "Put the file that it leads to in its place" in disk_error(caught.value, own).hint
    write_atomically(folder.config, "text")
    assert (folder.config.read_text(), own.read_text()) == ("text", "precious")


def test_what_is_written_is_synced_before_it_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.json"
    seen: list[tuple[str, bool]] = []
    monkeypatch.setattr(run_folder, "sync", lambda p: seen.append((p.name, path.exists())))
    write_atomically(path, "text")
    assert seen == [(".state.json.tmp", False), (tmp_path.name, True)]


def checkpoint(folder: RunFolder, name: str, whole: bool = True) -> None:
    (folder.path / name).mkdir()
    if whole:
        (folder.path / name / "manifest.json").write_text("{}")


def test_checkpoints_are_listed_by_step_and_only_whole_ones(folder: RunFolder) -> None:
    for step, epoch in ((1000, 2), (200, 0), (90, 0)):
        checkpoint(folder, f"checkpoint_epoch{epoch}_step{step}")
    checkpoint(folder, "checkpoint_epoch0_step400", whole=False)
    checkpoint(folder, ".checkpoint_epoch0_step600.tmp")
    checkpoint(folder, "checkpoint_epoch0_step700.bak")
    checkpoint(folder, "checkpoint_epochX_step800")
    found = folder.checkpoints()
    assert [(c.epoch, c.step) for c in found] == [(0, 90), (0, 200), (2, 1000)]
    assert found[-1].path == folder.path / "checkpoint_epoch2_step1000"


def test_where_a_resume_continues(folder: RunFolder) -> None:
    assert folder.resume_step() is None
    checkpoint(folder, "checkpoint_epoch0_step200")
    assert folder.resume_step() == 200
    strange = ("true", "-1", "1.5", "1e308", "NaN", "9" * 400, str(10**18), "[1]")
    for broken in ("", "{}", "[]", "null", *(f'{{"step": {each}}}' for each in strange)):
        folder.training_state.write_text(broken)
        assert folder.resume_step() == 200
    for name in ("x", "checkpoint_epoch0_step400", "../checkpoint_epoch0_step200"):
        folder.training_state.write_text(json.dumps({"checkpoint": name, "step": 400}))
        assert folder.resume_step() == 200  # it is another run's, or that one is gone
    checkpoint(folder, "checkpoint_epoch0_step400")
    folder.resume_from("checkpoint_epoch0_step200", 200)
    assert folder.resume_step() == 200


def test_of_what_cannot_be_deleted_the_one_that_is_there_is_told(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (1, 2, 3, 4):
        checkpoint(folder, f"checkpoint_epoch0_step{step}")
    wrong = {1: FileNotFoundError(errno.ENOENT, "gone"), 2: OSError(errno.EROFS, "read-only")}

    def remove(self: checkpoint_files.CheckpointFolder) -> None:
        if error := wrong.get(self.step):
            raise error
        shutil.rmtree(self.path)

    monkeypatch.setattr(checkpoint_files.CheckpointFolder, "remove", remove)
    with pytest.raises(OSError, match="read-only"):
        checkpoint_files.prune(folder.path, keep=1, best_step=0)
    assert [each.step for each in folder.checkpoints()] == [1, 2, 4]


def test_a_checkpoint_that_cannot_be_looked_at_just_now_is_there(folder: RunFolder) -> None:
    """A run without any begins anew, and writes over what it has."""
    checkpoint(folder, "checkpoint_epoch0_step200", whole=False)
    manifest = folder.path / "checkpoint_epoch0_step200" / "manifest.json"
    manifest.symlink_to("x" * 300)  # a name too long for any disk: neither there nor not there
    assert folder.resume_step() == 200
    assert folder.checkpoints()[0].step == 200


def test_nor_is_a_run_without_any_that_cannot_be_listed() -> None:
    """Whoever is root may list everything, so this is asked by somebody else."""
    code = """
import os, sys
from pathlib import Path
from farense_worker.protocol.run_folder import RunFolder
os.geteuid() or os.seteuid(65534)
run = RunFolder(Path(sys.argv[1]))
for look in (run.checkpoints, run.resume_step):
    try:
        print(look())
    except OSError as error:
        print(error.strerror)
"""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        run = RunFolder(Path(name) / "run")
        run.path.mkdir()
        checkpoint(run, "checkpoint_epoch0_step200")
        run.path.chmod(0o711 if os.geteuid() == 0 else 0o311)
        command = [sys.executable, "-c", code, str(run.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        run.path.chmod(0o700)
    assert done.stdout == "Permission denied\n" * 2, done.stderr
    assert RunFolder(run.path).checkpoints() == []  # it is gone now


def test_a_folder_without_a_configuration_is_no_run(folder: RunFolder) -> None:
    assert not folder.exists()
    with pytest.raises(FarenseError, match="is not a run") as caught:
        folder.read_config()
    assert caught.value.exit_code == ExitCode.REFUSED
    folder.config.write_text('[run]\nname = "run"\n')
    assert folder.exists()
    assert folder.read_config().run.name == "run"


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EACCES, "not_writable"),
        (errno.EROFS, "not_writable"),
    ],
)
def test_an_error_of_the_disk_says_what_to_do(number: int, kind: str) -> None:
    told = disk_error(OSError(number, os.strerror(number), "/runs/x"), Path("/runs"))
    assert told.kind == kind
    assert told.exit_code == ExitCode.REFUSED
    assert "--runs-dir" in told.hint


def test_a_lock_that_cannot_be_written_is_not_called_a_disk_without_locks(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_descriptor: int, _length: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "ftruncate", fails)
    with pytest.raises(FarenseError, match=r"cannot write .*lock"):
        folder.acquire()
    monkeypatch.undo()
    os.close(folder.acquire())  # nobody holds it


def test_what_is_said_of_a_broken_disk_fits_what_was_to_be_written() -> None:
    error = OSError(errno.EIO, os.strerror(errno.EIO), "/out")
    assert "A run can be copied" in disk_error(error, Path("/out")).hint
    assert disk_error(error, Path("/out"), "--to").hint.endswith("or choose another --to.")


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.EFBIG, "ulimit -f"), (errno.EMFILE, "ulimit -n")]
)
def test_a_limit_is_no_lack_of_rights(number: int, remedy: str) -> None:
    told = disk_error(OSError(number, os.strerror(number), "/runs/x"), Path("/runs"))
    assert remedy in told.hint
    assert "right" not in told.hint


def test_a_disk_that_does_not_tell_its_size_is_not_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No training began there, and one that was going on ended."""

    def fails(_path: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("os.statvfs", fails)
    assert free_space(tmp_path / "later") == sys.maxsize
    assert not is_full(tmp_path)
