"""Starting a worker, steering it, and what became of it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.processes import lock_holder
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.runs import supervisor
from farense_tui.engine.runs.death import explain_exit, last_words
from farense_tui.engine.runs.supervisor import Control
from tests.real_runs import ENDLESS, RunMaker, until_state

# Waits for a line, so that two start at the same moment; then tries to start the worker.
LAUNCH = """
import sys
from pathlib import Path
from farense_tui.engine.runs import supervisor
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.run_folder import RunFolder
print("ready", flush=True)
sys.stdin.readline()
try:
    print(supervisor.launch(RunFolder(Path(sys.argv[1]))).process.pid, flush=True)
except FarenseError as error:
    print(error.kind, flush=True)
"""

# Stands in for a worker: holds the lock, starts a child that ignores SIGTERM, and at a line on its
# stdin writes its process id. Both hold stdout open for as long as they live.
WORKER = """
import os, subprocess, sys
from pathlib import Path
from farense_worker.protocol.run_folder import RunFolder, write_pid
lock = RunFolder(Path(sys.argv[1])).acquire()
child = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); " \\
    "time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child])
sys.stdin.readline()
write_pid(lock, os.getpid())
print("written", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    path = tmp_path / "run"
    path.mkdir()
    return RunFolder(path)


@pytest.fixture
def worker(folder: RunFolder) -> Iterator[subprocess.Popen[bytes]]:
    """A process that looks like a worker whose process id is not known yet."""
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        yield process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def write_pid(worker: subprocess.Popen[bytes]) -> None:
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(b"\n")
    worker.stdin.flush()
    assert worker.stdout.readline() == b"written\n"


def test_of_two_launchers_exactly_one_wins(make_run: RunMaker) -> None:
    folder = make_run(**ENDLESS)
    launchers = [
        subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(folder.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        for each in launchers:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        for each in launchers:
            assert each.stdin is not None
            each.stdin.write("\n")
            each.stdin.flush()
        said = sorted(each.communicate()[0].strip() for each in launchers)
        assert said[1] == "run_locked"
        assert int(said[0]) > 1
        assert folder.is_alive()  # though both launchers are gone
    finally:
        supervisor.kill(folder)
    assert supervisor.wait_until_gone(folder, 120)
    assert folder.events.read_bytes().count(b'"name":"starting"') == 1


def test_a_folder_named_worker_where_the_user_stands_is_not_ours(
    make_run: RunMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "here" / "worker"
    theirs.mkdir(parents=True)
    (theirs / "__init__.py").write_text("raise SystemExit('theirs')")
    monkeypatch.chdir(theirs.parent)
    worker = supervisor.launch(make_run(**ENDLESS))
    until_state(worker, lambda state: state.phase != "")
    supervisor.kill(worker.folder)
    assert worker.wait() == -signal.SIGKILL


def test_nobody_is_asked_where_nobody_works(folder: RunFolder) -> None:
    assert not supervisor.send(folder, Control.STOP)
    assert not supervisor.kill(folder)
    assert supervisor.wait_until_gone(folder, 0)
    with pytest.raises(FarenseError, match="is not being trained") as caught:
        supervisor.ask(folder, None)
    assert caught.value.exit_code == ExitCode.REFUSED


def test_a_process_id_that_is_left_over_is_not_asked(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been given to any other process."""
    folder.lock_file.write_text(str(os.getpid()))
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("asked"))
    monkeypatch.setattr(os, "killpg", lambda *_: pytest.fail("killed"))
    assert not supervisor.send(folder, Control.STOP)
    assert not supervisor.kill(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"boot": "of another boot or machine"},
        {"started": "1"},
        {"pid": -1},
        {"pid": 1},
        {"pid": 10**18},
        {"boot": "", "host": "elsewhere"},
        {"started": "", "boot": "", "host": "", "pid": os.getppid()},  # as older workers wrote it
    ],
)
def test_a_process_that_the_lock_only_names_is_not_signalled(
    folder: RunFolder,
    worker: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
) -> None:
    """The lock is held, but by a process of another machine or container, or one that is gone."""
    write_pid(worker)
    holder = msgspec.structs.replace(lock_holder.of(worker.pid), **change)
    folder.lock_file.write_bytes(msgspec.json.encode(holder))
    assert folder.is_alive()
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("asked"))
    monkeypatch.setattr(os, "killpg", lambda *_: pytest.fail("killed"))
    with pytest.raises(FarenseError, match="cannot be reached from here"):
        supervisor.send(folder, Control.STOP, patience=0)
    monkeypatch.undo()


def test_another_program_that_holds_the_lock_is_not_signalled(folder: RunFolder) -> None:
    """Whoever wrote the lock file may have named it, with its moment and all."""
    code = (
        "import fcntl, sys; lock = open(sys.argv[1], 'w'); fcntl.flock(lock, fcntl.LOCK_EX);"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder.lock_file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as stranger:
        assert stranger.stdout is not None
        assert stranger.stdout.readline() == b"held\n"
        folder.lock_file.write_bytes(msgspec.json.encode(lock_holder.of(stranger.pid)))
        for ask in (supervisor.kill, lambda run: supervisor.send(run, Control.STOP, patience=0)):
            with pytest.raises(FarenseError, match="cannot be reached from here"):
                ask(folder)
        assert stranger.poll() is None
        stranger.communicate()
    assert stranger.returncode == 0


def test_a_worker_that_was_halted_is_stopped(make_run: RunMaker) -> None:
    worker = supervisor.launch(make_run(**ENDLESS))
    until_state(worker, lambda state: state.step > 0)
    os.kill(worker.process.pid, signal.SIGSTOP)
    assert supervisor.send(worker.folder, Control.STOP)
    assert worker.wait() == ExitCode.STOPPED


def test_a_worker_of_an_earlier_version_is_still_asked(
    folder: RunFolder, worker: subprocess.Popen[bytes]
) -> None:
    write_pid(worker)
    folder.lock_file.write_text(str(worker.pid))
    assert supervisor.send(folder, Control.STOP)
    assert worker.wait() == -signal.SIGTERM


def test_a_lock_file_that_no_worker_wrote_names_nobody(folder: RunFolder) -> None:
    for text in ("", "x", "-", "[" * 100_000, '{"pid": 1e999}', "\xff", "1" * 9999):
        folder.lock_file.write_text(text, encoding="latin-1")
        assert folder.pid() is None


def test_a_worker_is_asked_only_once_it_listens(
    folder: RunFolder, worker: subprocess.Popen[bytes]
) -> None:
    """Before that a signal would end it without a word."""
    assert not supervisor.send(folder, Control.STOP, patience=0.05)
    assert worker.poll() is None
    write_pid(worker)
    assert supervisor.send(folder, Control.STOP)
    assert worker.wait() == -signal.SIGTERM
    assert supervisor.wait_until_gone(folder, 120)


def test_a_kill_takes_what_the_worker_has_started_with_it(
    folder: RunFolder, worker: subprocess.Popen[bytes]
) -> None:
    write_pid(worker)
    assert not supervisor.wait_until_gone(folder, 0.01)
    assert supervisor.kill(folder)
    assert worker.stdout is not None
    assert select.select([worker.stdout], [], [], 120)[0]
    assert worker.stdout.read() == b""  # at its end only when nobody holds it open any more
    assert worker.wait() == -signal.SIGKILL


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FarenseError, match="cannot write") as caught:
        supervisor.launch(RunFolder(tmp_path / "gone"))
    assert caught.value.exit_code == ExitCode.REFUSED


def test_a_launch_that_fails_gives_the_lock_back(folder: RunFolder) -> None:
    folder.events.mkdir()  # cannot be opened for writing
    with pytest.raises(FarenseError, match="cannot write"):
        supervisor.launch(folder)
    assert not folder.is_alive()


def test_last_words_are_the_end_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    assert last_words(log) == ""
    log.write_bytes(b"")
    assert last_words(log) == ""
    log.write_bytes(b"x" * 100_000 + b"\n" + b"".join(b"line %d\n" % n for n in range(100)))
    assert last_words(log, 3) == "line 97\nline 98\nline 99"
    log.write_bytes("início\n".encode("latin-1"))
    assert last_words(log) == "in\N{REPLACEMENT CHARACTER}cio"


@pytest.mark.parametrize(
    ("code", "title", "detail"),
    [
        (-signal.SIGKILL, "killed by SIGKILL", "memory ran out"),
        (-signal.SIGABRT, "killed by SIGABRT", "the log may say why"),
        (-signal.SIGSEGV, "killed by SIGSEGV", "crashed"),
        (-signal.SIGTERM, "killed by SIGTERM", ""),
        (-40, "killed by signal 40", ""),  # one without a name
        (1, "ended with exit code 1", ""),
    ],
)
def test_an_end_without_a_last_event_is_explained(
    folder: RunFolder, code: int, title: str, detail: str
) -> None:
    folder.log.write_text("terminating: [METAL] Command buffer execution failed\n")
    error = explain_exit(code, folder)
    assert title in error.title
    assert detail in error.detail
    assert "[METAL] Command buffer" in error.detail
    assert f"resume {folder.name}" in error.hint
    assert error.kind == ("killed" if code < 0 else "worker")
    assert error.exit_code == ExitCode.FAILED


def test_a_group_of_dead_processes_is_nobody_even_where_macos_refuses(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """killpg gives EPERM there for a group in which only zombies are left."""
    ended = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert ended.stdout is not None
    ended.stdout.read()
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # a zombie, and it stays one

    def refused(_pid: int, _number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(supervisor, "_pid", lambda *_: ended.pid)
    assert not supervisor._signal(folder, refused, signal.SIGKILL, 1.0)
    ended.wait()
    monkeypatch.setattr(supervisor, "_pid", lambda *_: os.getpid())
    with pytest.raises(FarenseError, match="another user"):
        supervisor._signal(folder, refused, signal.SIGKILL, 1.0)


def test_nothing_is_started_on_a_full_disk(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farense_worker.protocol.run_folder.free_space", lambda _: 4096)
    with pytest.raises(FarenseError, match="no space on the disk"):
        supervisor.launch(folder)
    assert not folder.is_alive()


def test_an_end_on_a_full_disk_says_so(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farense_worker.protocol.run_folder.free_space", lambda _: 4096)
    for code in (1, 3):
        assert explain_exit(code, folder).title == "no space on the disk"
