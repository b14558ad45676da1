"""`farense-tui export`: what it says, and that it overwrites nothing that it has not made."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.messages.export import EDITED, Exported
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.cli import main
from farense_tui.engine.tasks import export_place
from farense_tui.engine.tasks.model_card import base_model
from tests import real_runs
from tests.conftest import SYSTEM
from tests.real_runs import RunMaker


@pytest.fixture
def trained(make_run: RunMaker, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    run = make_run("one")
    real_runs.finish(run)
    monkeypatch.setenv("FARENSE_RUNS", str(run.path.parent))
    return run


def test_a_fused_model_once_and_again(
    trained: RunFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    to = str(tmp_path / "made" / "out")
    (tmp_path / "made" / "out").mkdir(parents=True)
    (tmp_path / "made" / "out" / ".DS_Store").touch()  # of Finder, in which it was made
    assert main(["export", "one", "--to", to, "--fuse"]) == ExitCode.DONE
    out, err = capfd.readouterr()
    assert err == ""
    assert "one is exported to" in out
    assert out.count("loaded again: ") == 2
    card = (tmp_path / "made/out/model/README.md").read_text()
    assert card.startswith("---\nlibrary_name: mlx\n")
    assert "| best validation loss |" in card
    adapters = trained.adapters.rglob("*")
    for path in (each for each in (*Path(to).rglob("*"), *adapters) if each.is_file()):
        for place in (str(tmp_path), trained.read_config().model.repo, f"{Path.home()}/"):
            assert place.encode() not in path.read_bytes(), path

    assert main(["export", "one", "--to", to]) == ExitCode.REFUSED
    assert "--overwrite replaces it" in capfd.readouterr().err
    assert (tmp_path / "made/out/model").is_dir()

    assert main(["export", "one", "--to", to, "--overwrite", "--json"]) == ExitCode.DONE
    assert [part["what"] for part in json.loads(capfd.readouterr().out)["parts"]] == ["adapter"]
    assert not (tmp_path / "made/out/model").exists()
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["out"]  # no remains


def test_what_was_not_checked_is_said_to_be(
    trained: RunFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "out"
    assert main(["export", "one", "--to", str(to), "--no-check"]) == ExitCode.DONE
    out, _err = capfd.readouterr()
    assert "loaded again:" not in out
    assert "not checked: it was not loaded again and compared" in out
    assert not json.loads((to / "export.json").read_text())["checked"]


@pytest.mark.skipif(sys.platform != "linux", reason="has no file that cannot be read")
def test_an_export_that_cannot_be_read_is_not_called_something_else(tmp_path: Path) -> None:
    """All that it had made would have been taken for the user's own."""
    (tmp_path / "export.json").symlink_to("/proc/self/mem")
    with pytest.raises(OSError, match=r"export\.json"):
        export_place.check(tmp_path, overwrite=True)


def test_what_cannot_be_removed_of_an_earlier_export_is_told_and_tried_again(
    trained: RunFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It stayed there under a name that begins with a dot, and nobody was told."""
    to, unlink = tmp_path / "made" / "out", os.unlink

    def fails(path: str, **more: int) -> None:
        if path == "adapters.safetensors":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        unlink(path, **more)

    again = ["export", "one", "--to", str(to), "--no-check", "--overwrite"]
    assert main(again) == ExitCode.DONE
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "unlink", fails)
        assert main(again) == ExitCode.DONE
    (left,) = to.parent.glob(".*")
    assert f"{left.name} is what could not be removed" in capfd.readouterr().out
    left.rename(left.with_name(f".out.{2**22 + 1}.old"))  # whose process is gone
    assert main(again) == ExitCode.DONE
    assert list(to.parent.iterdir()) == [to]


def test_an_export_is_replaced_and_nothing_else_in_its_folder(
    trained: RunFolder, tmp_path: Path
) -> None:
    to = tmp_path / "out"
    assert main(["export", "one", "--to", str(to)]) == ExitCode.DONE
    (to / "notes.txt").write_text("mine")
    (to / "adapter" / "eval.json").write_text("mine")
    (to / "model").write_text("mine")
    for name in (".git/refs/tags", "results/empty"):
        (to / name).mkdir(parents=True)
    (to / ".git" / "HEAD").write_text("ref: main")
    assert main(["export", "one", "--to", str(to), "--fuse", "--overwrite"]) == ExitCode.DONE
    assert (to / "model" / "model.safetensors").is_file()
    for name in ("notes.txt", "adapter/eval.json", "model.before"):
        assert (to / name).read_text() == "mine"
    assert (to / ".git" / "refs" / "tags").is_dir()
    assert (to / "results" / "empty").is_dir()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")] == []

    assert main(["export", "one", "--to", str(to), "--overwrite"]) == ExitCode.DONE
    assert not (to / "model").exists()  # the export's own, which it has made no more
    assert (to / "model.before").read_text() == "mine"
    assert (to / "adapter" / "eval.json").read_text() == "mine"


def earlier(to: Path, **files: str) -> Path:
    """Make what an export leaves: its files, and the manifest that names them."""
    (to / "adapter").mkdir(parents=True)
    for name, text in files.items():
        (to / "adapter" / name).write_text(text)
    made = Exported(
        run="one",
        model="m",
        time=0.0,
        precision="keep",
        parts=(),
        files=tuple(f"adapter/{name}" for name in files),
        sums={f"adapter/{name}": sha256(text.encode()).hexdigest() for name, text in files.items()},
    )
    (to / "export.json").write_bytes(msgspec.json.encode(made))
    return to


def test_what_its_owner_has_edited_or_put_in_the_place_of_a_file_is_kept(tmp_path: Path) -> None:
    to = earlier(tmp_path / "out", card="made", weights="made", linked="made", folder="made")
    (to / "adapter" / "card").write_text("edited")
    (tmp_path / "elsewhere").write_text("mine")
    (to / "adapter" / "linked").unlink()
    (to / "adapter" / "linked").symlink_to(tmp_path / "elsewhere")
    (to / "adapter" / "folder").unlink()
    (to / "adapter" / "folder").mkdir()
    (to / "adapter" / "folder" / "thesis").write_text("mine")
    made = earlier(tmp_path / "new", card="new")
    (said,) = export_place.put(made, to, overwrite=True)
    assert said.startswith("adapter/card.before was there")
    assert (to / "adapter" / "card").read_text() == "new"
    assert (to / "adapter" / "card.before").read_text() == "edited"
    assert (to / "adapter" / "folder" / "thesis").read_text() == "mine"
    assert not (to / "adapter" / "weights").exists()
    assert not (to / "adapter" / "linked").is_symlink()
    assert (tmp_path / "elsewhere").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "out"]


def test_other_weights_in_the_place_of_those_that_were_made_are_kept(
    make_run: RunMaker, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """As llama-quantize leaves them under the same name: too long to be read from end to end."""
    run = make_run("one", lora__rank=256, train__epochs=1)
    real_runs.finish(run)
    to = tmp_path / "out"
    again = ["export", str(run.path), "--to", str(to), "--no-check", "--overwrite"]
    assert main(again) == ExitCode.DONE
    made = msgspec.json.decode((to / "export.json").read_bytes(), type=Exported)
    name = "adapter/adapters.safetensors"
    assert list(made.samples) == [name]
    assert {*made.sums, name} == {*made.files}
    assert main(again) == ExitCode.DONE
    assert "is kept" not in capfd.readouterr().out

    rows = (to / name).read_bytes()
    middle = len(rows) // 2
    for other in (rows[:-1], rows[:middle] + bytes(EDITED // 4) + rows[middle + EDITED // 4 :]):
        (to / name).write_bytes(other)
        assert main(again) == ExitCode.DONE
        assert "adapters.safetensors.before was there" in capfd.readouterr().out
        assert (to / f"{name}.before").read_bytes() == other
        assert (to / name).read_bytes() == rows
        (to / f"{name}.before").unlink()

    made = msgspec.structs.replace(made, samples={})  # of an earlier version
    (to / "export.json").write_bytes(msgspec.json.encode(made))
    (to / name).write_bytes(rows[:-1])
    assert main(again) == ExitCode.DONE
    assert not (to / f"{name}.before").exists()


def failing(real: Any, at: int, under: Path) -> Any:
    """Make a function of os's fail at one of its calls on what is in a folder."""
    calls = iter(range(10_000))

    def fails(path: Any, *args: Any, **more: Any) -> Any:
        if str(under) in str(path) and next(calls) == at:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return real(path, *args, **more)

    return fails


@pytest.mark.parametrize("at", range(12))
@pytest.mark.parametrize("name", ["rename", "listdir", "unlink", "open"])
def test_whatever_fails_what_is_its_owner_s_is_in_the_folder_or_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, at: int
) -> None:
    """It lay in a folder whose name begins with a dot, and the export was told as failed."""
    to = earlier(tmp_path / "out", card="made")
    (to / "adapter" / "card").write_text("edited")
    (to / "thesis").write_text("mine")
    made, said = earlier(tmp_path / "new", card="new"), list[str]()
    with monkeypatch.context() as patch, contextlib.suppress(OSError):
        patch.setattr(os, name, failing(getattr(os, name), at, tmp_path))
        said = export_place.put(made, to, overwrite=True)
    found = {path.read_text(): path for path in tmp_path.rglob("*") if path.is_file()}
    for text in ("edited", "mine"):
        folder = tmp_path / found[text].relative_to(tmp_path).parts[0]
        assert folder == to or str(folder) in " ".join(said)


@pytest.mark.parametrize("manifest", [b"{}", b"\xff", b"[" * 100_000, b'{"type": "other"}', None])
def test_a_file_named_export_json_makes_no_export(tmp_path: Path, manifest: bytes | None) -> None:
    if manifest is None:
        os.mkfifo(tmp_path / "export.json")
    else:
        (tmp_path / "export.json").write_bytes(manifest)
    with pytest.raises(FarenseError, match="already"):
        export_place.check(tmp_path, overwrite=True)


def test_what_is_no_folder_of_an_export_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    monkeypatch.chdir(earlier(tmp_path / "out", card="made") / "adapter")
    for to in (tmp_path / "file", tmp_path / "loop", tmp_path / "out", Path("/"), Path.home()):
        with pytest.raises(FarenseError, match="already"):
            export_place.check(to, overwrite=True)


def test_no_folder_that_somebody_lives_in_is_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home with nothing but dot files was taken for empty: renamed, and its files moved."""
    (home := tmp_path / "users" / "me").mkdir(parents=True)
    (home / ".profile").write_text("mine")
    monkeypatch.setenv("HOME", str(home))
    (empty := tmp_path / "empty").mkdir()
    export_place.check(empty, overwrite=False)
    for to, why in ((home, "Your home folder is in it"), (Path("/"), "not an export")):
        with pytest.raises(FarenseError, match=why):
            export_place.check(to, overwrite=True)
    monkeypatch.chdir(empty)
    with pytest.raises(FarenseError, match="You stand in it"):
        export_place.check(empty, overwrite=False)


def test_an_export_that_came_there_meanwhile_is_not_replaced_unasked(tmp_path: Path) -> None:
    to = tmp_path / "out"
    export_place.check(to, overwrite=False)
    earlier(to, card="first")
    with pytest.raises(FarenseError, match="already"):
        export_place.put(earlier(tmp_path / "new", card="second"), to, overwrite=False)
    assert (to / "adapter" / "card").read_text() == "first"


def test_what_a_kill_between_two_renames_left_beside_comes_back(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    to, old = tmp_path / "o[u]t", tmp_path / f".o[u]t.{gone.pid}.old"
    (earlier(old, card="made") / "thesis").write_text("mine")
    export_place.check(to, overwrite=True)
    assert (to / "thesis").read_text() == "mine"
    assert not old.exists()
    (earlier(old, card="made") / "notes").write_text("mine")  # killed after the second
    export_place.check(to, overwrite=True)
    assert (to / "notes").read_text() == "mine"
    assert not old.exists()


@pytest.mark.parametrize("number", ["²", "٣", "x", "9" * 200])
def test_a_folder_of_nearly_such_a_name_is_left_alone(tmp_path: Path, number: str) -> None:
    to, old = tmp_path / "out", earlier(tmp_path / f".out.{number}.old", card="made")
    export_place.check(to, overwrite=True)
    assert old.is_dir()
    assert not to.exists()


def test_what_a_run_was_trained_with_goes_along(
    make_run: RunMaker, system_data: Path, tmp_path: Path
) -> None:
    run = make_run("one", data__path=str(system_data), train__epochs=1)
    real_runs.finish(run)
    assert main(["export", str(run.path), "--to", str(tmp_path / "out"), "--fuse"]) == 0
    assert f'SYSTEM """{SYSTEM}"""\n' in (tmp_path / "out" / "Modelfile").read_text()
    for part in ("adapter", "model"):
        card = (tmp_path / "out" / part / "README.md").read_text()
        assert "\n## System prompt\n\nIt was trained with this one; ask it with the same:\n" in card
        assert f"\n    {SYSTEM}\n" in card


def test_somebody_else_s_folder_is_never_replaced(
    trained: RunFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    to = str(tmp_path / "mine")
    assert main(["export", "one", "--to", to, "--overwrite"]) == ExitCode.REFUSED
    assert "not an export of farense-tui" in capfd.readouterr().err
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "x"


def test_a_failure_leaves_nothing_behind(
    trained: RunFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "made"
    assert main(["export", "one", "--to", str(place / "out"), "--gguf"]) == ExitCode.REFUSED
    assert "cannot be exported as GGUF" in capfd.readouterr().err
    assert list(place.iterdir()) == []


def test_what_cannot_be_written_is_called_by_the_place_that_was_asked_for(
    trained: RunFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not by the folder beside it, which begins with a dot and is gone by then."""
    to, limit = tmp_path / "out", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 10, limit[1]))  # the worker inherits it
    try:
        assert main(["export", "one", "--to", str(to), "--no-check"]) == ExitCode.REFUSED
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    told = capfd.readouterr().err
    assert f"cannot write {to}" in told
    assert str(os.getpid()) not in told
    assert list(tmp_path.glob(".out*")) == []


def test_how_to_fuse_goes_with_fusing(
    make_run: RunMaker, capfd: pytest.CaptureFixture[str]
) -> None:
    run = make_run("one")
    runs = ["--runs-dir", str(run.path.parent), "--to", "x"]
    assert main(["export", "one", "--requantize", *runs]) == ExitCode.USAGE
    assert main(["export", "one", *runs]) == ExitCode.REFUSED
    assert "has no adapter yet" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("repo", "expected"),
    [
        ("/h/hub/models--mlx-community--M-4bit/snapshots/0a1b2c", "mlx-community/M-4bit"),
        ("/home/me/my-model", "my-model"),
        ("owner/model", "owner/model"),
    ],
)
def test_what_a_model_is_called_elsewhere(repo: str, expected: str) -> None:
    assert base_model(repo) == expected
