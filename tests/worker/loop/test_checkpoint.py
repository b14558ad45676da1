"""Checkpoints: whatever goes wrong, and whenever, a sound one is there."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
import pytest
from farense_worker.loop import checkpoint
from farense_worker.loop.checkpoint import Loaded, TrainingState
from farense_worker.protocol import checkpoint_files, plain_file
from farense_worker.protocol.checkpoint_files import CheckpointFolder
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.plan.adapter import Trained
from farense_worker.protocol.run_folder import RunFolder
from mlx.utils import tree_flatten

from tests import out_of_reach
from tests.worker import faults

ROOT = Path(__file__).resolve().parents[3]
FILES = ("adapters.safetensors", "adapter_config.json", "optimizer.safetensors", "state.json")

# Scenario: what it begins with, and what may be there after it was cut off: step -> tag.
BEGINNINGS = {"first": None, "next_one": "two", "again": "two"}
ALLOWED: dict[str, set[tuple[int, float] | None]] = {
    "first": {None, (1, 1.0)},
    "next_one": {(2, 2.0), (3, 3.0)},
    "again": {(2, 2.0), (2, 2.5)},
}
DONE = {"first": (1, 1.0), "next_one": (3, 3.0), "again": (2, 2.5)}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    path = tmp_path / "run"
    path.mkdir()
    return RunFolder(path)


def tag(loaded: Loaded | None) -> tuple[int, float] | None:
    """Step and tag of a checkpoint, after checking that all of its parts carry the same."""
    if loaded is None:
        return None
    arrays = [*loaded.adapters.values(), *loaded.optimizer.values()]
    assert len(arrays) == 4
    tags = {float(value) for array in arrays for value in np.array(array).flat}
    assert tags == {loaded.state.best_loss}
    return loaded.state.step, tags.pop()


def published(folder: RunFolder) -> float | None:
    """Tag of the adapter in adapters/, which must be one that can be loaded."""
    path = folder.adapters / "adapters.safetensors"
    if not path.exists():
        return None
    assert json.loads((folder.adapters / "adapter_config.json").read_text()) == {"rank": 4}
    arrays = mx.load(str(path))
    assert isinstance(arrays, dict)
    (only,) = {float(value) for array in arrays.values() for value in np.array(array).flat}
    return only


@pytest.mark.parametrize("how", ["fail", "kill", "power"])
@pytest.mark.parametrize("scenario", list(BEGINNINGS))
def test_cut_off_at_any_operation_a_sound_checkpoint_is_there(
    tmp_path: Path, scenario: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is checked is what the processes leave; here nothing need be brought to the disk.
    monkeypatch.setattr(os, "fsync", lambda _: None)
    base = tmp_path / "base"
    base.mkdir()
    beginning = BEGINNINGS[scenario]
    if beginning:
        faults.SCENARIOS[beginning](RunFolder(base))
    subprocess.run(
        [sys.executable, "-m", "tests.worker.faults", scenario, how, base, tmp_path / "out"],
        cwd=ROOT,
        check=True,
        timeout=600,
    )
    copies = sorted((tmp_path / "out").iterdir(), key=lambda path: int(path.name))
    assert len(copies) > 20  # operations there are
    allowed = ALLOWED[scenario]
    for copy in copies:
        folder, where = RunFolder(copy), f"{scenario}, {how} at operation {copy.name}"
        assert published(folder) in {each and each[1] for each in allowed}, where
        checkpoint.clean_up(folder)
        loaded, damaged = checkpoint.newest(folder)
        assert tag(loaded) in allowed, where
        assert damaged == [], where
        assert [path.name for path in copy.rglob(".*")] == [], where
        assert {p.name for p in copy.glob("checkpoint_*")} == {
            c.path.name for c in folder.checkpoints()
        }, where
        if loaded is not None:
            checkpoint.catch_up(folder, loaded.state)
            assert published(folder) == loaded.state.best_loss, where
        listed = [each.path / name for each in folder.checkpoints() for name in FILES]
        assert all(path.exists() for path in listed), where
        # and the next attempt gets it done
        faults.SCENARIOS[scenario](folder)
        assert tag(checkpoint.newest(folder)[0]) == DONE[scenario], where
        assert published(folder) == DONE[scenario][1], where
    # the last copy is the one in which nothing went wrong
    assert published(RunFolder(copies[-1])) == DONE[scenario][1]


def test_a_write_that_the_system_refuses_leaves_nothing_half_done(folder: RunFolder) -> None:
    """With a limit on the size of files."""
    faults.two(folder)
    before = sorted(path.name for path in folder.path.iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            checkpoint.save(folder, TrainingState(step=3), {"a": mx.zeros((64, 64))}, {}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(path.name for path in folder.path.iterdir()) == before
    assert tag(checkpoint.newest(folder)[0]) == (2, 2.0)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "longer", "flipped", "pipe"])
def test_a_damaged_file_is_refused_and_the_checkpoint_before_is_taken(
    folder: RunFolder, name: str, damage: str
) -> None:
    faults.two(folder)
    path = folder.checkpoints()[-1].path / name
    raw = bytearray(path.read_bytes())
    match damage:
        case "cut":
            path.write_bytes(raw[:-1])
        case "empty":
            path.write_bytes(b"")
        case "gone":
            path.unlink()
        case "longer":
            path.write_bytes(raw + b"\0")
        case "flipped":
            raw[len(raw) // 2] ^= 1
            path.write_bytes(raw)
        case "pipe":
            path.unlink()
            os.mkfifo(path)
    loaded, damaged = checkpoint.newest(folder)
    assert tag(loaded) == (1, 1.0)
    assert len(damaged) == 1
    assert damaged[0].startswith("checkpoint_epoch0_step2: ")
    assert name in damaged[0]


@pytest.mark.parametrize("at", range(0, 100, 7))
def test_one_flipped_bit_anywhere_is_found(folder: RunFolder, at: int) -> None:
    """At every percentage of every file."""
    faults.two(folder)
    place = folder.checkpoints()[-1].path
    for name in FILES:
        path = place / name
        raw = path.read_bytes()
        flipped = bytearray(raw)
        flipped[at * len(raw) // 100] ^= 1 << (at % 8)
        path.write_bytes(flipped)
        assert tag(checkpoint.newest(folder)[0]) == (1, 1.0)
        path.write_bytes(raw)
    assert tag(checkpoint.newest(folder)[0]) == (2, 2.0)


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"files": null}',
        '{"files": []}',
        '{"files": {}}',
        '{"files": {"state.json": 3}}',
        '{"files": {"../../../etc/passwd": {"bytes": 1, "sha256": ""}}}',
        "\xff",
        "[" * 10_000,
    ],
)
def test_a_manifest_that_is_none_makes_no_checkpoint(folder: RunFolder, manifest: str) -> None:
    faults.two(folder)
    path = folder.checkpoints()[-1].path / "manifest.json"
    path.write_text(manifest, encoding="latin-1")
    loaded, damaged = checkpoint.newest(folder)
    assert tag(loaded) == (1, 1.0)
    assert len(damaged) == 1


def test_without_a_sound_checkpoint_there_is_none(folder: RunFolder) -> None:
    assert checkpoint.newest(folder) == (None, [])
    faults.two(folder)
    for each in folder.checkpoints():
        (each.path / "state.json").write_text("{}")
    loaded, damaged = checkpoint.newest(folder)
    assert loaded is None
    assert len(damaged) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="has no file that cannot be read")
def test_what_cannot_be_read_just_now_is_neither_deleted_nor_begun_anew(folder: RunFolder) -> None:
    """With a disk that failed once, a run with one checkpoint was trained from its first step."""
    faults.two(folder)
    older, newer = folder.checkpoints()
    manifest = (newer.path / "manifest.json").read_bytes()
    for each in (newer, older):
        (each.path / "manifest.json").unlink()
        (each.path / "manifest.json").symlink_to("/proc/self/mem")
        if each is newer:
            assert tag(checkpoint.newest(folder)[0]) == (1, 1.0)
    with pytest.raises(OSError, match="manifest"):
        checkpoint.newest(folder)
    aside = newer.path.with_name(f".{newer.path.name}.old")
    newer.path.rename(aside)
    checkpoint.clean_up(folder)
    assert aside.is_dir()
    (aside / "manifest.json").unlink()
    (aside / "manifest.json").write_bytes(manifest)
    checkpoint.clean_up(folder)
    assert tag(checkpoint.newest(folder)[0]) == (2, 2.0)


def test_a_run_that_cannot_be_listed_just_now_is_not_one_without_checkpoints(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.two(folder)
    with monkeypatch.context() as patch:
        out_of_reach.failing(patch, folder.path)
        with pytest.raises(OSError, match="Input/output error"):
            checkpoint.newest(folder)
    assert tag(checkpoint.newest(folder)[0]) == (2, 2.0)


def test_a_checkpoint_that_cannot_be_deleted_is_named(folder: RunFolder) -> None:
    """Of a folder in it, Python told how it is called there."""
    faults.two(folder)
    manifest = folder.checkpoints()[0].path / "manifest.json"
    manifest.unlink()
    manifest.mkdir()
    with pytest.raises(OSError, match=manifest.parent.name) as caught:
        CheckpointFolder(manifest.parent, 0, 1).remove()
    assert caught.value.filename == str(manifest.parent)


def test_a_folder_without_its_manifest_is_no_checkpoint(folder: RunFolder) -> None:
    faults.two(folder)
    (folder.checkpoints()[-1].path / "manifest.json").unlink()
    loaded, damaged = checkpoint.newest(folder)
    assert tag(loaded) == (1, 1.0)
    assert damaged == []  # it never was one


@pytest.mark.parametrize(
    ("keep", "best", "left"),
    [(1, 5, [5]), (1, 2, [2, 5]), (2, 5, [4, 5]), (3, 1, [1, 3, 4, 5]), (9, 1, [1, 2, 3, 4, 5])],
)
def test_the_newest_and_the_best_are_kept(
    folder: RunFolder, keep: int, best: int, left: list[int]
) -> None:
    for step in range(1, 6):
        path = folder.path / f"checkpoint_epoch0_step{step}"
        path.mkdir()
        (path / "manifest.json").write_text("{}")
    checkpoint_files.prune(folder.path, keep, best)
    assert [each.step for each in folder.checkpoints()] == left


def test_all_that_a_state_holds_comes_back(folder: RunFolder) -> None:
    told = TrainingState(
        step=7,
        epoch=2,
        position=3,
        random=(2**32 - 1, 1),
        best_loss=0.1 + 0.2,
        best_step=5,
        validated_step=6,
        data="é",
    )
    checkpoint.save(folder, told, {"a": mx.zeros(1)}, {"step": mx.array(7)}, {})
    loaded, _ = checkpoint.newest(folder)
    assert loaded is not None
    assert loaded.state == told
    assert json.loads(folder.training_state.read_text()) == {
        "checkpoint": "checkpoint_epoch2_step7",
        "step": 7,
    }


@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16, mx.float16])
def test_every_bit_of_an_array_comes_back(folder: RunFolder, dtype: mx.Dtype) -> None:
    mx.random.seed(3)
    odd = mx.array([float("nan"), float("inf"), -0.0, 1e-38])
    arrays = {"w": mx.random.normal((33, 7)).astype(dtype), "odd": odd.astype(dtype)}
    checkpoint.save(folder, TrainingState(step=1), arrays, {"m": arrays["w"]}, {})
    loaded, _ = checkpoint.newest(folder)
    assert loaded is not None
    for name, value in arrays.items():
        back = loaded.adapters[name]
        assert back.dtype == dtype
        kind = mx.uint32 if dtype == mx.float32 else mx.uint16
        assert mx.array_equal(back.view(kind), value.view(kind))


def test_a_loaded_checkpoint_points_into_no_file(folder: RunFolder) -> None:
    """Arrays that MLX reads when they are needed would be lost with the folder."""
    faults.two(folder)
    loaded, _ = checkpoint.newest(folder)
    shutil.rmtree(folder.path)
    assert tag(loaded) == (2, 2.0)


def trained() -> tuple[nn.Linear, optim.Adam]:
    """A model after one update."""
    mx.random.seed(1)
    model = nn.Linear(4, 3)
    optimizer = optim.Adam(learning_rate=0.1)
    optimizer.init(model.trainable_parameters())
    update(model, optimizer)
    return model, optimizer


def update(model: nn.Linear, optimizer: optim.Adam) -> None:
    """One update with random numbers in it."""
    inputs = mx.random.normal((2, 4))
    gradients = nn.value_and_grad(model, lambda m: m(inputs).square().mean())(model)[1]
    optimizer.update(model, gradients)
    mx.eval(model.parameters(), optimizer.state)


def test_what_is_restored_goes_on_as_if_nothing_had_happened(folder: RunFolder) -> None:
    model, optimizer = trained()
    state = TrainingState(step=1, random=checkpoint.random_key())
    checkpoint.save(
        folder, state, dict(tree_flatten(model.trainable_parameters())), optimizer.state, {}
    )
    update(model, optimizer)

    other = nn.Linear(4, 3)
    fresh = optim.Adam(learning_rate=0.5)
    fresh.init(other.trainable_parameters())
    loaded, _ = checkpoint.newest(folder)
    assert loaded is not None
    checkpoint.restore(other, fresh, loaded)
    update(other, fresh)
    assert mx.array_equal(model.weight, other.weight)
    assert mx.array_equal(model.bias, other.bias)
    now, then = dict(tree_flatten(fresh.state)), dict(tree_flatten(optimizer.state))
    assert now.keys() == then.keys()
    assert all(mx.array_equal(now[name], then[name]) for name in now)
    assert checkpoint.random_key() == tuple(mx.random.state[0].tolist())  # type: ignore[index]


def test_a_checkpoint_of_another_model_is_refused(folder: RunFolder) -> None:
    model, optimizer = trained()
    adapters = dict(tree_flatten(model.trainable_parameters()))
    checkpoint.save(folder, TrainingState(step=1), adapters, optimizer.state, {})
    loaded, _ = checkpoint.newest(folder)
    assert loaded is not None
    for other in (nn.Linear(5, 3), nn.Linear(4, 3, bias=False)):
        with pytest.raises(FarenseError, match="is of another model") as caught:
            checkpoint.restore(other, optimizer, loaded)
        assert caught.value.kind == "checkpoint"


def test_the_same_weights_are_the_same_bytes_in_whatever_order(tmp_path: Path) -> None:
    """A resumed run has them in another one, and its files are those of one that never stopped."""
    arrays = {f"layers.{number}.lora_a": mx.full((2,), number) for number in range(30)}
    checkpoint._save_arrays(tmp_path / "one", arrays)
    checkpoint._save_arrays(tmp_path / "two", dict(reversed(arrays.items())))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_what_the_system_says_of_weights_is_what_is_told() -> None:
    """A quota, inodes: free space alone would not tell."""
    with pytest.raises(OSError, match="/dev/full") as caught:
        checkpoint._save_arrays(Path("/dev/full"), {"a": mx.zeros(1 << 20)})
    assert caught.value.errno == errno.ENOSPC


def test_space_is_asked_for_before_the_start(folder: RunFolder) -> None:
    checkpoint.check_space(folder, Trained(1000, 4000, 8000), keep=3)
    with pytest.raises(FarenseError, match="no space on the disk") as caught:
        checkpoint.check_space(folder, Trained(1, 1 << 50, 0), keep=3)
    assert caught.value.kind == "disk_full"


def test_what_a_resumed_run_has_on_the_disk_needs_no_space_again(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Trained(1000, 4000, 8000)
    monkeypatch.setattr(checkpoint, "free_space", lambda _: 40_000)
    with pytest.raises(FarenseError, match="no space"):
        checkpoint.check_space(folder, made, keep=1)
    weights = {"a": mx.zeros(1000)}
    moments = {"m": mx.zeros(1000), "v": mx.zeros(1000)}
    checkpoint.save(folder, TrainingState(step=1), weights, moments, {})
    checkpoint.check_space(folder, made, keep=1)


def test_the_best_adapter_is_published_if_a_kill_came_before_it(folder: RunFolder) -> None:
    faults.two(folder)
    state = TrainingState(step=2, best_loss=0.5, best_step=1)
    checkpoint.catch_up(folder, state)
    assert published(folder) == 1.0
    # without a validation the newest one is the run's adapter
    checkpoint.catch_up(folder, TrainingState(step=2))
    assert published(folder) == 2.0
    # one that is damaged is not published, one that is gone neither
    (folder.checkpoints()[0].path / "adapters.safetensors").write_bytes(b"x")
    checkpoint.catch_up(folder, state)
    checkpoint.catch_up(folder, TrainingState(step=7, best_loss=0.5, best_step=7))
    assert published(folder) == 2.0
    # where the run's adapter is gone as well, the newest one is better than none
    newest = folder.checkpoints()[-1].path
    assert not checkpoint.catch_up(folder, state, newest)
    shutil.rmtree(folder.adapters)
    assert checkpoint.catch_up(folder, state, newest)
    assert published(folder) == 2.0


@pytest.mark.parametrize("place", ["checkpoint", "adapters", ".checkpoint", "adapters/file"])
def test_nothing_of_others_is_written_or_deleted_through_a_link(
    folder: RunFolder, tmp_path: Path, place: str
) -> None:
    """Somebody may have put a link, or a file, into the place of what the worker writes."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    faults.two(RunFolder(theirs))
    before = {path: path.read_bytes() for path in theirs.rglob("*") if path.is_file()}
    first = theirs / "checkpoint_epoch0_step1"
    faults.two(folder)
    links = {
        "checkpoint": (folder.checkpoints()[0].path, first),
        ".checkpoint": (folder.path / ".checkpoint_epoch0_step3.tmp", first),
        "adapters": (folder.adapters, theirs / "adapters"),
        "adapters/file": (
            folder.adapters / ".adapters.safetensors.tmp",
            theirs / "adapters" / "adapters.safetensors",
        ),
    }
    link, target = links[place]
    plain_file.take_away(link)
    link.symlink_to(target)
    faults.state(folder, 3, 3.0)
    checkpoint_files.prune(folder.path, 1, 3)
    assert [each.step for each in folder.checkpoints()] == [3]
    assert published(folder) == 3.0
    assert {path: path.read_bytes() for path in theirs.rglob("*") if path.is_file()} == before


def test_work_of_a_killed_worker_is_taken_over_or_removed(folder: RunFolder) -> None:
    faults.two(folder)
    second: CheckpointFolder = folder.checkpoints()[-1]
    # whole, but for its rename
    second.path.rename(folder.path / f".{second.path.name}.tmp")
    # not whole
    half = folder.path / ".checkpoint_epoch0_step3.tmp"
    shutil.copytree(folder.checkpoints()[0].path, half)
    (half / "state.json").write_text("{")
    # a folder of the user's stays
    (folder.path / "checkpoint_notes").mkdir()
    checkpoint.clean_up(folder)
    assert [each.step for each in folder.checkpoints()] == [1, 2]
    assert tag(checkpoint.newest(folder)[0]) == (2, 2.0)
    assert not half.exists()
    assert (folder.path / "checkpoint_notes").is_dir()


def test_what_macos_puts_beside_a_file_is_no_part_of_a_checkpoint(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk of FAT or exFAT it keeps ._NAME beside NAME, and takes it away as it likes."""
    save = checkpoint._save_arrays

    def beside(path: Path, arrays: dict[str, mx.array]) -> None:
        save(path, arrays)
        path.with_name(f"._{path.name}").write_bytes(b"\0\x05\x16\x07")

    monkeypatch.setattr(checkpoint, "_save_arrays", beside)
    faults.two(folder)
    for left in folder.path.rglob("._*"):
        left.unlink()
    assert tag(checkpoint.newest(folder)[0]) == (2, 2.0)
