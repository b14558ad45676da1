"""The disk after a power loss: a save's operations are taken down, and replayed up to each of them.

As ALICE does (Pillai and others, OSDI 2014): what was brought to the disk by fsync is there, of the
rest any part may be, in any order. A file's content may be there in full, by half, as zeros or not
at all; a name may be there or not, unless its folder was brought to the disk since.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from farense_worker.protocol import plain_file
from farense_worker.protocol.checkpoint_files import ADAPTERS
from farense_worker.protocol.run_folder import RunFolder

from benchmarks.faults.soak.saves import BEGINNINGS
from benchmarks.faults.soak.tally import Tally
from tests.worker import faults


class State(NamedTuple):
    """A checkpoint by its step and what all its contents are; by itself, none."""

    step: int = 0
    tag: float | None = None


# The newest checkpoint before a scenario of tests/worker/faults.py, and after it.
STATES = {
    "first": (State(), State(1, 1.0)),
    "next_one": (State(2, 2.0), State(3, 3.0)),
    "again": (State(2, 2.0), State(2, 2.5)),
}
_DRAWS = 6  # random ones a prefix, beside all, none, each alone and each left out


@dataclass(frozen=True)
class Operation:
    """kind: write, name (a file or folder gets a name), move, gone, sync. Paths are relative."""

    kind: str
    path: str
    to: str = ""
    content: bytes | None = None  # None of a name: a folder


@dataclass
class Recorder:
    """Takes down what is done on the disk below a folder."""

    root: Path
    done: list[Operation] = field(default_factory=list)

    def _name(self, path: Any) -> str:
        return os.path.relpath(os.path.abspath(path), self.root)

    def run(self, scenario: Callable[[RunFolder], None]) -> list[Operation]:
        """Do the scenario; what it did."""
        import mlx.core as mx

        real = {
            name: getattr(os, name) for name in ("mkdir", "rename", "replace", "unlink", "rmdir")
        }
        fsync, copy, save = os.fsync, plain_file.copy, mx.save_safetensors
        text, data = Path.write_text, Path.write_bytes

        def whole(name: str) -> Callable[..., Any]:
            def recorded(path: Any, *rest: Any, **how: Any) -> Any:
                if how.get("dir_fd") is not None:  # shutil.rmtree, by descriptors
                    path = os.path.join(os.readlink(f"/proc/self/fd/{how['dir_fd']}"), path)
                    how = {}
                result = real[name](path, *rest, **how)
                if name == "mkdir":
                    self.done.append(Operation("name", self._name(path)))
                elif name in ("rename", "replace"):
                    self.done.append(Operation("move", self._name(path), self._name(rest[0])))
                else:
                    self.done.append(Operation("gone", self._name(path)))
                return result

            return recorded

        def written(path: Any) -> None:
            content = Path(path).read_bytes()
            self.done.append(Operation("name", self._name(path), content=b""))
            self.done.append(Operation("write", self._name(path), content=content))

        def by(function: Callable[..., Any], which: int) -> Callable[..., Any]:
            def recorded(*args: Any, **how: Any) -> Any:
                result = function(*args, **how)
                path = args[which]
                if hasattr(path, "flush"):  # a file, and no path
                    path.flush()
                    path = path.name
                written(path)
                return result

            return recorded

        def synced(descriptor: int) -> None:
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            self.done.append(Operation("sync", self._name(path)))

        for name in real:
            setattr(os, name, whole(name))
        os.fsync = synced  # type: ignore[assignment]
        Path.write_text, Path.write_bytes = by(text, 0), by(data, 0)  # type: ignore[method-assign]
        plain_file.copy, mx.save_safetensors = by(copy, 1), by(save, 0)
        try:
            scenario(RunFolder(self.root))
        finally:
            for name, function in real.items():
                setattr(os, name, function)
            os.fsync, plain_file.copy, mx.save_safetensors = fsync, copy, save
            Path.write_text, Path.write_bytes = text, data  # type: ignore[method-assign]
        return self.done


def pending(done: list[Operation]) -> tuple[list[Operation], set[int]]:
    """What was done, and which of it by number is not sure to be on the disk."""
    unsure: set[int] = set()
    place: dict[int, str] = {}  # where the file of a write is by now
    for number, each in enumerate(done):
        if each.kind == "sync":
            for other in list(unsure):
                file = place.get(other)
                folder = {os.path.dirname(done[other].path), os.path.dirname(done[other].to)}
                if file == each.path or (
                    file is None and (each.path if each.path != "." else "") in folder
                ):
                    unsure.discard(other)
            continue
        unsure.add(number)
        if each.kind == "write":
            place[number] = each.path
        if each.kind == "move":
            for other, path in place.items():
                if path == each.path or path.startswith(each.path + "/"):
                    place[other] = each.to + path[len(each.path) :]
    return done, unsure


def choices(unsure: set[int], dice: random.Random) -> Iterator[set[int]]:
    """Which of the unsure operations are lost: none, all, each alone, all but each, at random."""
    yield set()
    yield set(unsure)
    for one in unsure:
        yield {one}
        yield unsure - {one}
    for _draw in range(_DRAWS):
        yield {one for one in unsure if dice.random() < 0.5}


def replay(
    base: Path, to: Path, done: list[Operation], lost: set[int], dice: random.Random
) -> None:
    """Make the disk as it is when these operations are lost; what cannot be done is lost too."""
    shutil.copytree(base, to)
    for number, each in enumerate(done):
        path = to / each.path
        try:
            if each.kind == "write" and each.content is not None:
                content = each.content
                if number in lost:
                    half = content[: len(content) // 2]
                    content = dice.choice(
                        (b"", half, bytes(len(content)), half + bytes(len(content) - len(half)))
                    )
                if path.exists():
                    path.write_bytes(content)
            elif number in lost or each.kind == "sync":
                continue
            elif each.kind == "name" and each.content is None:
                path.mkdir()
            elif each.kind == "name":
                path.write_bytes(b"")
            elif each.kind == "move":
                path.replace(to / each.to)
            elif path.is_dir():
                path.rmdir()
            else:
                path.unlink()
        except OSError:
            continue


def soak(place: Path, dice: random.Random, more: Callable[[], bool], tally: Tally) -> None:
    """Replay every prefix of every scenario, whole ones first: all that was never synced shows."""
    while more():
        shutil.rmtree(place, ignore_errors=True)
        recorded = {}
        for scenario, beginning in BEGINNINGS.items():
            base = place / scenario / "base"
            base.mkdir(parents=True)
            if beginning:
                faults.SCENARIOS[beginning](RunFolder(base))
            shutil.copytree(base, place / scenario / "new")
            recorded[scenario] = Recorder(place / scenario / "new").run(faults.SCENARIOS[scenario])
            tally.count(f"operations of {scenario}", len(recorded[scenario]))
        prefixes = [(name, at) for name, done in recorded.items() for at in range(len(done))]
        dice.shuffle(prefixes)
        for scenario, length in [*((each, len(recorded[each])) for each in recorded), *prefixes]:
            done = recorded[scenario]
            prefix, unsure = pending(done[:length])
            for lost in choices(unsure, dice):
                if not more():
                    return
                after = place / "after"
                replay(place / scenario / "base", after, prefix, lost, dice)
                where = f"{scenario}, {length} of {len(done)} operations, lost {sorted(lost)}"
                before, new = STATES[scenario]
                allowed = (new,) if length == len(done) else (before, new)
                look(RunFolder(after), allowed, where, tally)
                shutil.rmtree(after)


def look(folder: RunFolder, allowed: tuple[State, ...], where: str, tally: Tally) -> None:
    """What a resumed run finds: one of these checkpoints, the same one in all that tells of it."""
    from farense_worker.loop import checkpoint

    tally.count("states")
    try:
        if len(allowed) == 1 and tags(folder.adapters / ADAPTERS) != {allowed[0].tag}:
            tally.fail("undone", f"{where}: what was published is not there")
        if folder.training_state.exists():
            told = json.loads(folder.training_state.read_text())["step"]
            if told not in [each.step for each in allowed]:
                tally.fail("torn", f"{where}: to go on from step {told}")
        checkpoint.clean_up(folder)
        loaded, damaged = checkpoint.newest(folder)
        found = State(loaded.state.step, loaded.state.best_loss) if loaded else State()
        if found not in allowed:
            tally.fail("lost", f"{where}: {found} is left, {damaged}")
        if loaded is not None:
            if tags(loaded.path / ADAPTERS) != {found.tag}:
                tally.fail("mixed", f"{where}: {tags(loaded.path / ADAPTERS)} of {found}")
            checkpoint.catch_up(folder, loaded.state)
            if tags(folder.adapters / ADAPTERS) != {found.tag}:
                tally.fail("published", f"{where}: {tags(folder.adapters / ADAPTERS)} of {found}")
        if damaged:
            tally.count("passed over a damaged one")
        folder.resume_step()
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        tally.fail("raised", f"{where}: {error!r}")


def tags(adapters: Path) -> set[float]:
    """All values in an adapter of tests/worker/faults.py, which are alike; none of one that is
    not there.
    """
    import mlx.core as mx

    if not adapters.exists():
        return set()
    arrays = mx.load(str(adapters))
    assert isinstance(arrays, dict)
    return {float(value) for array in arrays.values() for value in np.array(array).flat}
