"""Checks at the start: what has held is known to the next run, and nothing else is."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from farense_worker.loop import checks
from farense_worker.loop.checks import Checks
from farense_worker.process.kept import Place
from farense_worker.process.output import Output, unheard
from farense_worker.protocol.messages.events import Phase, decode

from tests.real_runs import RunMaker, finish, results
from tests.waiting import until


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FARENSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "checks"


def asked(own: Checks, held: bool = True, name: str = "head", about: int = 1) -> bool:
    """Whether the check was computed."""
    computed = []

    def check() -> bool:
        computed.append(held)
        return held

    assert own.hold(name, [about], check) is held
    return bool(computed)


def test_what_has_held_is_computed_once(cache: Path) -> None:
    own = Checks(["model"], unheard())
    assert [asked(own), asked(own), asked(Checks(["model"], unheard()))] == [True, False, False]
    assert asked(own, name="split")
    assert asked(own, about=2)
    assert asked(Checks(["other weights"], unheard()))
    assert [asked(Checks(None, unheard())) for _ in range(2)] == [True, True]
    assert len(list(cache.iterdir())) == 4


def test_what_has_not_held_is_computed_again(cache: Path) -> None:
    own = Checks(["model"], unheard())
    assert [asked(own, held=False) for _ in range(2)] == [True, True]
    assert not cache.exists()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-3]),
    "empty": lambda path: path.write_bytes(b""),
    "of another check": lambda path: path.write_text('{"check": "split", "seconds": 1}'),
    "deep": lambda path: path.write_bytes(b"[" * 100_000),
    "long": lambda path: path.write_bytes(path.read_bytes() + b" " * (5 << 20)),
    "no text": lambda path: path.write_bytes(bytes(range(256))),
    "a pipe": pipe,
    "a folder": folder,
    "a link": link,
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_one_costs_only_itself(cache: Path, how: str) -> None:
    own = Checks(["model"], unheard())
    assert asked(own, about=1)
    (entry,) = cache.iterdir()
    assert asked(own, about=2)
    DAMAGE[how](entry)
    assert asked(own, about=1)
    assert not asked(own, about=2)


def test_the_next_run_takes_them_over_and_trains_the_same(
    cache: Path, make_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [make_run(name, lora__num_layers=1) for name in ("one", "two", "three")]
    finish(runs[0])
    made = {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    found = [json.loads(path.read_text())["check"] for path in cache.iterdir()]
    assert {"head", "split"} <= set(found)
    finish(runs[1])
    assert made.keys() == {path.name for path in cache.iterdir()}
    assert "checks: from " in runs[1].log.read_text()
    monkeypatch.setenv("FARENSE_CACHE", "off")
    finish(runs[2])
    assert results(runs[0]) == results(runs[1]) == results(runs[2])
    assert "checks: from " not in runs[2].log.read_text()


def test_another_model_is_checked(cache: Path, make_run: RunMaker, tmp_path: Path) -> None:
    finish(make_run("one"))
    kept = len(list(cache.iterdir()))
    shutil.copytree(make_run.model, tmp_path / "other")
    finish(make_run("two", model__repo=str(tmp_path / "other")))
    assert len(list(cache.iterdir())) == 2 * kept > 0


def test_one_that_takes_long_is_told(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "_SOON", 0.0)
    record = tmp_path / "events"
    with record.open("ab") as file:
        output = Output(os.dup(file.fileno()), record)
    output.enter("loading_model")

    def check() -> bool:
        until(lambda: "checking" in record.read_text())
        return True

    assert Checks(["model"], output).hold("head", [], check)
    told = [decode(line) for line in record.read_bytes().splitlines()]
    names = [event.name for event in told if isinstance(event, Phase)]
    assert names == ["loading_model", "checking", "loading_model"]
    assert isinstance(Place(next(cache.iterdir()), checks.Held).read(), checks.Held)


def test_through_a_link_nothing_is_kept(cache: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    cache.parent.mkdir()
    cache.symlink_to(own)
    checked = Checks(["model"], unheard())
    assert [asked(checked), asked(checked), list(own.iterdir())] == [True, True, []]
