"""Nothing foreign commands the terminal: one way out, which cleans, and nobody goes another."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import pytest
from farense_worker.protocol.errors import ExitCode, FarenseError, refused
from farense_worker.protocol.messages.events import Notice, RunStopped, encode
from farense_worker.protocol.run_folder import RunFolder
from rich.table import Table
from rich.text import Text

from farense_tui.cli import main, output, own_data
from farense_tui.cli.running import headless, training
from farense_tui.engine.runs import supervisor
from tests import holding
from tests.real_runs import ENDLESS, RunMaker

ROOT = Path(output.__file__).parents[1]
EVIL = "a\x1b]0;owned\x07\x1b[2J\x9b31m\u202eb\x7f\udcff"
# Who writes to the terminal by itself, and why it may.
WRITERS = {
    "cli/output.py": "the one way out",
    "engine/runs/trackers.py": "told where a tracker cannot be started; cleaned there",
    "engine/machine/terminal.py": "asks the terminal itself, with sequences of ours",
    "ui/terminal.py": "gives the terminal back as it was, with sequences of ours",
}


def writes(tree: ast.AST) -> list[int]:
    """Lines that print, take hold of stdout, stderr, a console, or have Textual print."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="print" | "Console")):
                found.append(node.lineno)
            case ast.Attribute(value=ast.Name(id="sys"), attr="stdout" | "stderr" | "__stdout__"):
                found.append(node.lineno)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr="write")):
                found.append(node.lineno)
            case ast.Call(func=ast.Attribute(attr="exit"), args=args, keywords=named):
                if len(args) > 2 or any(each.arg in ("message", None) for each in named):
                    found.append(node.lineno)
    return found


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_nobody_writes_to_the_terminal_by_itself(path: Path) -> None:
    if str(path.relative_to(ROOT)) in WRITERS:
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    harmless = (
        *(".isatty()", "reconfigure", "for stream in (sys.stdout, sys.stderr)", ".close()"),
        "exit(message=Text(printable(",
    )
    bare = [
        f"{path.name}:{number}"
        for number in writes(ast.parse("\n".join(lines)))
        if not any(word in lines[number - 1] for word in harmless)
    ]
    assert bare == [], "print through farense_tui/cli/output.py, which cleans"


def is_safe(text: str) -> bool:
    return not set(text) & {"\x1b", "\x07", "\x9b", "\u202e", "\x7f", "\udcff"}


def test_whatever_way_a_text_goes_out_it_is_cleaned() -> None:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        output.say(f"{EVIL}\nsecond")
        output.tell(EVIL)
        table = Table("head")
        table.add_row(Text(EVIL))
        table.add_row(EVIL)
        output.console().print(table)
        output.console().print(EVIL, style="bold")
    assert is_safe(out.getvalue())
    assert is_safe(err.getvalue())
    assert "second\n" in out.getvalue()


def test_a_library_s_warning_goes_that_way_too(capsys: pytest.CaptureFixture[str]) -> None:
    """matplotlib's names the characters that its font has not, raw."""
    output.warn(EVIL, UserWarning, "plots.py", 66)
    assert is_safe(capsys.readouterr().err)


def test_json_says_the_same_and_holds_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    said = {"text": EVIL.rstrip("\udcff") + "é"}
    output.say_json(said)
    printed = capsys.readouterr().out
    assert is_safe(printed)
    assert "é" in printed
    assert json.loads(printed) == said


def test_a_line_of_a_record_holds_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Whole or torn: it may be of a run from somebody else."""
    whole = encode(Notice(level="info", code="x", message=f"{EVIL[:-1]}\U000e0041é", seq=1))
    for line in (whole, b'{"torn": "\x1b]52;c;aGk=\x07 \xc2\x9b31m \x9b'):
        output.say_record(line.rstrip(b"\n"))
        printed = capsys.readouterr().out
        assert is_safe(printed)
        assert "\U000e0041" not in printed
        if line is whole:
            assert json.loads(printed) == json.loads(whole)


def test_json_tells_a_name_that_is_not_utf8(capsys: pytest.CaptureFixture[str]) -> None:
    output.say_json({"name": "a\udcff"}, indent=2)
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert json.loads(printed) == {"name": "a\udcff"}


def test_a_value_that_is_two_dashes_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    """Python 3.11 hands such an option on as an empty list."""
    for words in (
        ["data", "make", "s", "--to=--"],
        ["runs", "--runs-dir=--"],
        ["doctor", "--set=--"],
    ):
        with pytest.raises(SystemExit) as left:
            main(words)
        assert left.value.code == ExitCode.USAGE
        assert capsys.readouterr().err


def test_what_the_command_line_says_comes_back_cleaned(
    make_run: RunMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run("one")
    evil = EVIL.rstrip("\udcff")
    for words in (["ask", evil, "?"], ["train", "--data", evil], ["resume", evil], [evil]):
        with suppress(SystemExit):  # argparse
            assert main(words) != 0
        said = capsys.readouterr()
        assert is_safe(said.out + said.err)
        assert said.err


def test_words_that_are_no_text_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--data", "a\udcff"]) == 2
    assert "is not UTF-8" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["~nobody-of-this-name/x", "./" + "x" * 300])
def test_a_path_that_leads_nowhere_is_told(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Path.expanduser raises RuntimeError; os.path's leaves such a word as it is."""
    monkeypatch.chdir(tmp_path)
    for words in (["data", "make", word, "--to", "d"], ["ask", word, "?"], ["replay", word]):
        assert main(words) in (1, 3)  # 1: the system says that it is too long
        assert capsys.readouterr().err
    assert own_data([word], ()) == (str(tmp_path / word), [])
    used = [path for path in ROOT.rglob("*.py") if ".expanduser()" in path.read_text("utf-8")]
    assert used == []


def test_a_line_is_written_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forecast that is told beside the first steps stood in the middle of one."""
    pieces: list[str] = []
    for name, write in (("stdout", output.say), ("stderr", output.tell)):
        stream = io.StringIO()
        monkeypatch.setattr(stream, "write", pieces.append)
        monkeypatch.setattr(sys, name, stream)
        write("a line")
    assert [piece for piece in pieces if piece] == ["a line\n", "a line\n"]


@pytest.mark.parametrize("words", ["runs", "profiles --json", "--version", "runs --help"])
def test_a_full_device_behind_stdout_is_told(words: str, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    command = [sys.executable, "-m", "farense_tui", *words.split()]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "No space left on device" in done.stderr


@pytest.mark.parametrize("words", ["runs", "profiles --json", "--version", "runs --help"])
def test_a_reader_that_leaves_is_no_error(words: str, tmp_path: Path) -> None:
    """`farense-tui runs | head`."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "farense_tui", *words.split()]
    done = subprocess.run(
        command, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (ExitCode.FAILED, b"")


@pytest.mark.parametrize("to", ["full", "closed"])
@pytest.mark.parametrize("how", ["--json", "--detach", "--yes"])
def test_a_run_whose_lines_go_nowhere_goes_on_and_that_is_told(
    make_run: RunMaker, how: str, to: str
) -> None:
    """Whatever stdout is; --yes stands for plain lines."""
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    words = ["train", "--profile", "demo", "--set", "train.epochs=10000", "--yes", how]
    command = [sys.executable, "-m", "farense_tui", *words, "--name", "run"]
    command += ["--runs-dir", str(make_run.folder)]
    reading, writing = os.pipe()
    os.close(reading)
    out = writing if to == "closed" else os.open("/dev/full", os.O_WRONLY)
    done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, check=False)
    run = RunFolder(make_run.folder / "run")
    assert run.is_alive()
    assert supervisor.kill(run)
    assert supervisor.wait_until_gone(run, 120)
    assert done.returncode == ExitCode.FAILED
    assert "The run goes on in the background" in done.stderr
    assert "farense-tui stop run" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_what_an_earlier_worker_said_is_not_the_end_of_this_one(make_run: RunMaker) -> None:
    """It had no room to say anything: a resumed run that was stopped once is not stopped again."""
    run = make_run()
    run.events.write_bytes(encode(RunStopped(seq=1, time=1.0, reason="stopped", step=3)))
    run.log.write_text("no room\n")
    worker = supervisor.Worker(run, subprocess.Popen([sys.executable, "-c", "exit(1)"]))
    size = run.events.stat().st_size
    with pytest.raises(FarenseError, match="exit code 1") as caught:
        headless.follow(worker, headless.Interrupts(), as_json=False, start=size)
    assert "no room" in caught.value.detail


def test_a_run_with_a_checkpoint_is_kept_whatever_ends_it(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(run: RunFolder, *_: object) -> int:
        if kept:
            run.resume_from("checkpoint_epoch0_step1", 1)
        raise refused("the disk went away")

    monkeypatch.setattr(training, "_start", fail)
    args = ["train", "--profile", "demo", "--anyway", "--runs-dir", str(make_run.folder)]
    for kept in (True, False):
        assert main([*args, "--json", "--name", f"run-{kept}"]) == 3
    assert [path.name for path in make_run.folder.iterdir()] == ["run-True"]


def test_a_full_disk_is_told_once_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    free = [1 << 30, 0, 0, 1 << 30, 0]
    monkeypatch.setattr("farense_worker.protocol.run_folder.free_space", lambda _: free.pop(0))
    monkeypatch.setattr(headless, "_DISK_POLL", 0.0)
    disk = headless._Disk(RunFolder(tmp_path))
    while free:
        disk.look()
    assert capsys.readouterr().err.count("no space on the disk") == 2


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_what_is_said_to_a_closed_stream_goes_nowhere(closed: str, data: Path) -> None:
    """Not to the other stream, and not into a file that got the number of it."""
    words = [sys.executable, "-m", "farense_tui", "data", "check", str(data)]
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *words]
    done = subprocess.run(shell, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) is (closed == "2>&-")


def test_a_current_folder_that_was_deleted_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    here.rmdir()
    assert main(["profiles"]) == ExitCode.REFUSED
    assert "the current folder was deleted" in capsys.readouterr().err
    assert output.relative(tmp_path) == str(tmp_path)  # while a run goes on


def test_a_record_that_nobody_can_read_is_why_the_end_is_not_known(make_run: RunMaker) -> None:
    run = make_run()
    os.mkfifo(run.events)
    worker = supervisor.Worker(run, subprocess.Popen(["sh", "-c", "exit 1"]))
    with pytest.raises(FarenseError, match="cannot read events"):
        headless.follow(worker, headless.Interrupts(), as_json=False)


def test_a_run_that_cannot_be_followed_is_said_to_go_on(make_run: RunMaker) -> None:
    """It was refused, with exit code 3, and trained on."""
    run = make_run()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        run.config.write_text("[")
        with pytest.raises(FarenseError, match="not TOML") as caught:
            headless.follow(supervisor.Worker(run, process), headless.Interrupts(), as_json=False)
        process.kill()
    assert caught.value.exit_code == ExitCode.FAILED
    assert "goes on in the background" in caught.value.hint


def test_the_end_is_told_though_the_record_was_emptied_meanwhile(
    make_run: RunMaker,
) -> None:
    """And nothing twice: what the worker has said already is passed over."""
    run = make_run()
    said = [Notice(level="info", code="x", message="x", seq=n) for n in (1, 2, 3)]
    run.events.write_bytes(b"".join(map(encode, said)))
    told = headless._Told(run)
    assert len(list(told.new())) == 3
    run.events.write_bytes(encode(said[2]) + encode(RunStopped(reason="completed", step=3, seq=4)))
    assert [type(event) for _line, event in told.new()] == [RunStopped]
    assert told.state.status == "completed"


def test_why_it_ended_is_known_though_the_folder_was_moved(make_run: RunMaker) -> None:
    run = make_run()
    run.events.write_bytes(encode(Notice(level="info", code="x", message="x", seq=1)))
    told = headless._Told(run)
    assert len(list(told.new())) == 1
    moved = RunFolder(run.path.rename(run.path.with_name("moved")))
    with moved.events.open("ab") as file:
        file.write(encode(RunStopped(reason="stopped", step=3, seq=2)))
    assert list(told.new()) == []
    told.hear_out()
    assert told.state.status == "stopped"


@pytest.mark.parametrize("lock", ['{"pid": 1}', None])
def test_ctrl_c_reaches_the_own_worker_whatever_its_lock_says(
    make_run: RunMaker, lock: str | None
) -> None:
    worker = holding.launch(make_run(**ENDLESS), after=1)
    worker.folder.lock_file.unlink()
    if lock:
        worker.folder.lock_file.write_text(lock)
    supervisor.ask_own(worker, supervisor.Control.STOP)
    assert worker.wait() in (ExitCode.STOPPED, ExitCode.FAILED)  # or that its lock is gone
