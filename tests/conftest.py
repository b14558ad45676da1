"""Fixtures that all tests share: a micro model, a small data set, real runs."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import translations
from farense_worker.process.cache_folder import cache_folder
from farense_worker.protocol.language import ENGLISH, LANGUAGES
from hypothesis import settings

from tests import micro_model
from tests.real_runs import RunMaker

# A machine that is busy makes no test fail.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")


def pytest_configure(config: pytest.Config) -> None:
    """Compile the translations that a pull or a rebase has changed."""
    if hasattr(config, "workerinput"):  # of several processes, one does it
        return
    for language in set(LANGUAGES) - {ENGLISH}:
        written = translations.path(language)
        compiled = written.with_suffix(".mo")
        if not compiled.exists() or compiled.stat().st_mtime <= written.stat().st_mtime:
            translations.compile_(translations.stored(language), language)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep tokenised data sets of the tests out of the developer's cache, the rest out of HOME."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FARENSE_CACHE", str(tmp_path_factory.mktemp("cache")))
        # What packages keep, as lists of fonts, stays known.
        caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        patch.setenv("XDG_CACHE_HOME", caches)
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        # A container's, with which nothing is held back on its way into a pipe; users have none.
        patch.delenv("PYTHONUNBUFFERED", raising=False)
        yield


@pytest.fixture(autouse=True)
def _no_baselines() -> None:
    """Let no test find the first validation, or a check, of another one's run."""
    for kind in ("baseline", "checks"):
        if folder := cache_folder(kind):
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _signals() -> None:
    """What nohup or a shell's & ignores, the processes of the tests do not: an ignored signal is
    inherited, one with a handler is not.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@pytest.fixture(scope="session")
def micro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float32 model of two layers."""
    return micro_model.make(tmp_path_factory.mktemp("model") / "micro")


@pytest.fixture(scope="session")
def micro_4bit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in 4 bits."""
    return micro_model.make(tmp_path_factory.mktemp("model") / "micro-4bit", bits=4)


SYSTEM = "És um adepto."


@pytest.fixture(scope="session")
def system_data(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """The small data set, each of its rows after the same system message."""
    folder = tmp_path_factory.mktemp("system-data")
    for path in data.iterdir():
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        for row in rows:
            row["messages"].insert(0, {"role": "system", "content": SYSTEM})
        (folder / path.name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of 21 + 5 chat rows of very different lengths."""
    folder = tmp_path_factory.mktemp("data")
    for split, count in (("train", 21), ("valid", 5)):
        rows = [
            {
                "messages": [
                    {"role": "user", "content": f"Quem é o número {i}?"},
                    {"role": "assistant", "content": "É ele. " * (1 + i % 5) + str(i)},
                ]
            }
            for i in range(count)
        ]
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{split}.jsonl").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def make_run(tmp_path: Path, micro: Path, data: Path) -> RunMaker:
    """Make runs of the micro model on the small data set: 3 steps an epoch, 4 epochs."""
    return RunMaker(tmp_path / "runs", micro, data)
