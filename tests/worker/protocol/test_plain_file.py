"""Files that somebody else may have laid: read with care, and everywhere in the same way."""

from __future__ import annotations

import errno
import os
import re
import sys
import tracemalloc
from pathlib import Path

import pytest
from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import in_words, of_system
from farense_worker.protocol.run_folder import disk_error

import farense_tui.cli

PROGRAMS = [Path(farense_tui.cli.__file__).parents[1], Path(plain_file.__file__).parents[1]]
# Files of the system, of the program itself, or that this process has made a moment ago.
READERS = {
    "engine/machine/hardware.py": "/proc",
    "engine/machine/vitals.py": "/proc",
    "protocol/processes/lock_holder.py": "/proc",
    "verify/": "what verify makes itself",
    "engine/verify": "runs, data and readings that verify makes itself",
    "model/hub.py": "a download of its own",
}
linux = pytest.mark.skipif(sys.platform != "linux", reason="has no file that cannot be read")
OTHERWISE = re.compile(r"\.(read_text|read_bytes)\(|\.open\((\"rb?\"|encoding)")


def test_what_others_may_have_laid_there_is_read_by_one_door() -> None:
    """A pipe in the place of a model's or a data set's file kept whoever read it waiting."""
    found = [
        f"{path.relative_to(program)}:{number}"
        for program in PROGRAMS
        for path in program.rglob("*.py")
        if not any(str(path.relative_to(program)).startswith(known) for known in READERS)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if OTHERWISE.search(line)
    ]
    assert found == [], "read through farense_worker/protocol/plain_file.py"


def test_nothing_is_unpickled() -> None:
    """What pickle reads may be a program; YAML's own loader makes objects, too."""
    runs = re.compile(
        r"pickle(?!=False)|torch\.load|marshal|shelve|joblib|yaml\.(unsafe_|full_)?load"
    )
    found = [
        f"{path.relative_to(program)}: {line.strip()}"
        for program in PROGRAMS
        for path in program.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if runs.search(line)
    ]
    assert found == []


def test_no_path_is_resolved_by_what_raises_for_a_loop() -> None:
    """Path.resolve raises RuntimeError of a link that leads to itself, until Python 3.13."""
    own = ("__file__).resolve()", "sys.argv[1]).resolve()", "embedded_")
    found = [
        f"{path.name}: {line.strip()}"
        for program in PROGRAMS
        for path in program.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if ".resolve()" in line and not any(each in line for each in own)
    ]
    assert found == []


@pytest.mark.parametrize("what", ["pipe", "device", "folder", "loop", "nowhere", "long"])
def test_what_is_no_file_is_an_error_at_once(tmp_path: Path, what: str) -> None:
    path = tmp_path / "file"
    make = {
        "pipe": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/zero"),
        "folder": path.mkdir,
        "loop": lambda: path.symlink_to(path),
        "nowhere": lambda: path.symlink_to(tmp_path / "gone"),
        "long": lambda: path.write_bytes(bytes(1000)),
    }
    make[what]()
    with pytest.raises(OSError, match="file"):
        plain_file.content(path, 999)
    if what != "long":
        with pytest.raises(OSError, match="file"), plain_file.reading(path):
            pass
    assert plain_file.resolved(path).is_absolute()


def test_what_passes_for_a_file_and_keeps_waiting_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As /proc/kmsg, which few may open: a pipe that stat takes for a file."""
    os.mkfifo(tmp_path / "file")
    other = os.open(tmp_path / "file", os.O_RDWR | os.O_NONBLOCK)
    monkeypatch.setattr("stat.S_ISREG", lambda _mode: True)
    with pytest.raises(plain_file.NoFile, match="file"):
        plain_file.content(tmp_path / "file")
    for read in (lambda file: file.read(), lambda file: file.read(9), lambda file: next(file)):
        with plain_file.reading(tmp_path / "file") as file, pytest.raises(plain_file.NoFile):
            read(file)
    os.close(other)


def test_a_text_has_the_ends_of_lines_that_python_gives_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("é\r\nb\rc\n".encode())
    assert plain_file.text(tmp_path / "a") == (tmp_path / "a").read_text("utf-8") == "é\nb\nc\n"
    (tmp_path / "a").write_bytes("é".encode("utf-16"))
    with pytest.raises(UnicodeDecodeError):
        plain_file.text(tmp_path / "a")


def test_no_more_room_is_made_than_a_file_has(tmp_path: Path) -> None:
    """Under a limit of memory, a file of a few lines could not be read."""
    path = tmp_path / "file"
    path.write_bytes(b"few")
    tracemalloc.start()
    try:
        assert plain_file.read(path, 1 << 28) == b"few"
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    with pytest.raises(OSError, match="too large"):
        plain_file.read(path, 2)


@linux
def test_an_error_of_reading_names_the_file_and_is_told_as_one(tmp_path: Path) -> None:
    """Python's says [Errno 5] alone, and was told as one of writing."""
    path = tmp_path / "broken"
    path.symlink_to("/proc/self/mem")  # whose first byte nobody can read
    for read in (lambda: plain_file.content(path), lambda: plain_file.reading(path).read()):
        with pytest.raises(OSError, match="broken") as caught:
            read()
        assert in_words(caught.value) == f"{path}: {os.strerror(errno.EIO)}"
        for told in (disk_error(caught.value, tmp_path), of_system(caught.value)):
            assert told.title == f"cannot read {path}"
            assert "right to write" not in told.hint


@linux
@pytest.mark.parametrize("broken", ["/proc/self/mem", "/dev/full"])
def test_a_copy_tells_which_of_the_two_files_failed(tmp_path: Path, broken: str) -> None:
    source, to = tmp_path / "source", tmp_path / "to"
    (source if broken == "/proc/self/mem" else to).symlink_to(broken)
    source.exists() or source.write_text("rows")
    with pytest.raises(OSError, match=r".") as caught:
        plain_file.copy(source, to)
    told = disk_error(caught.value, tmp_path)
    kind, path = ("not_readable", source) if source.is_symlink() else ("disk_full", to)
    assert (told.kind, str(path) in str(told)) == (kind, True)


def test_closing_what_was_only_read_cannot_fail(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("rows")
    with plain_file.reading(tmp_path / "a") as file:
        assert file.read() == b"rows"
        os.close(file.fileno())
    assert file.closed
    with plain_file.handed_on(tmp_path / "b") as other:
        os.close(other.fileno())
    plain_file.release(other.fileno() if not other.closed else 1 << 20)


def test_what_is_missing_is_not_sound_and_what_could_not_be_read_may_be() -> None:
    sound = {errno.EIO, errno.EMFILE, errno.EACCES}
    for number in sound | {errno.ENOENT, errno.EINVAL}:
        assert plain_file.may_be_sound(OSError(number, "")) is (number in sound)
    assert not plain_file.may_be_sound(ValueError())


def test_what_is_written_beside_its_place_is_called_by_that() -> None:
    places = {
        "/r/.config.toml.tmp": "/r/config.toml",
        "/o/.out.5.4711.tmp/model/x": "/o/out.5/model/x",
        ".a/b.tmp": ".a/b.tmp",
    }
    for beside, place in places.items():
        for called in (beside, os.fsencode(beside)):
            error = OSError(errno.EACCES, "", called)
            assert disk_error(error, Path("/")).title == f"cannot write {place}"
            assert of_system(error).title == f"{place} cannot be used"
    error = OSError(errno.EISDIR, "", "/r/.config.toml.tmp")  # which has to be taken away
    assert disk_error(error, Path("/")).title == "cannot write /r/.config.toml.tmp"
    assert disk_error(OSError(errno.EIO, ""), Path("/r")).title == "cannot write /r"
