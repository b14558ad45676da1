"""Real workers that speak Portuguese: other words, the same record, and a run in two languages."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from farense_worker.protocol.errors import ExitCode
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.runs import supervisor
from tests.real_runs import RunMaker, finish, results, state_of, until_state
from tests.tokenizers import chat, write

# A validation set drawn by lot, and rows that are too long: there is something to say.
SETTINGS: dict[str, Any] = {"data__valid_fraction": 0.2, "train__max_seq_length": 40}


@pytest.fixture
def no_valid(data: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copyfile(data / "train.jsonl", folder / "train.jsonl")
    return folder


@pytest.fixture
def make(make_run: RunMaker, no_valid: Path) -> RunMaker:
    return RunMaker(make_run.folder, make_run.model, no_valid)


def _speak(monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    """Have the workers that are started from now on speak it."""
    monkeypatch.setenv("FARENSE_LANG", language)


def _events(folder: RunFolder) -> list[dict[str, Any]]:
    """The record but for heartbeats and progress, which come by the clock."""
    lines = map(msgspec.json.decode, folder.events.read_bytes().splitlines())
    return [line for line in lines if line["type"] not in ("heartbeat", "progress")]


def _names(folder: RunFolder) -> list[tuple[str | None, ...]]:
    """What a program reads of the record: types, codes, phases, levels, reasons."""
    names = ("type", "code", "name", "level", "reason")
    return [tuple(event.get(name) for name in names) for event in _events(folder)]


def test_only_the_words_are_others(make: RunMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    english = make("english", **SETTINGS)
    finish(english)
    portuguese = make("portuguese", **SETTINGS)
    _speak(monkeypatch, "pt")
    state = finish(portuguese)
    assert results(portuguese) == results(english)
    assert _names(portuguese) == _names(english)
    said = {notice.code: notice.message for notice in state.notices}
    assert said["split"].startswith("4 de 21 linhas de train.jsonl ficam à parte para validação")
    assert said["truncated"].endswith("exemplos são cortados aos 40 tokens")
    theirs = {notice.code: notice.message for notice in state_of(english).notices}
    assert theirs["truncated"].endswith("examples are cut off at 40 tokens")


def test_the_cache_of_tokens_does_not_bring_the_other_language_back(
    make: RunMaker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FARENSE_CACHE", str(tmp_path / "cache"))
    messages = []
    for name, language in (("one", "pt"), ("two", "en"), ("three", "pt")):
        _speak(monkeypatch, language)
        messages.append([n.message for n in finish(make(name, **SETTINGS)).notices])
    assert messages[0] == messages[2] != messages[1]
    assert len(list((tmp_path / "cache" / "tokens").iterdir())) == 2


def test_bad_data_is_refused_with_its_place(
    make: RunMaker, no_valid: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make()
    write(no_valid / "train.jsonl", chat("a", "b"), "[]", chat("a"))
    _speak(monkeypatch, "pt")
    assert supervisor.launch(folder).wait() == ExitCode.REFUSED
    last = _events(folder)[-1]
    assert (last["type"], last["kind"]) == ("run_failed", "data")
    assert last["title"] == "os dados têm 2 erros"
    assert last["detail"].splitlines() == [
        "não se pode treinar com 2 de 3 linhas de train.jsonl, mais de um décimo; "
        "com data.skip ficam de fora na mesma",
        f"{no_valid / 'train.jsonl'}:2: não é um objeto JSON",
        f"{no_valid / 'train.jsonl'}:3: não há nesta linha uma resposta com que aprender",
    ]
    assert last["hint"].startswith('Cada linha é {"messages": [{"role": "user", "content": "..."}')


def test_what_speaks_portuguese_is_resumed_in_english(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = make_run("straight")
    finish(straight)
    folder = make_run("both")
    _speak(monkeypatch, "pt")
    worker = supervisor.launch(folder)
    until_state(worker, lambda state: state.step >= 7)
    worker.process.kill()
    worker.wait()
    _speak(monkeypatch, "en")
    finish(folder)
    assert results(folder) == results(straight)


def test_a_refused_resume_names_what_was_changed(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_run("changed", train__epochs=1)
    finish(folder)
    text = folder.config.read_text(encoding="utf-8")
    folder.config.write_text(
        text.replace("epochs = 1", "epochs = 2").replace("accumulation = 2", "accumulation = 1"),
        encoding="utf-8",
    )
    _speak(monkeypatch, "pt")
    assert supervisor.launch(folder).wait() == ExitCode.REFUSED
    last = _events(folder)[-1]
    assert last["kind"] == "run_changed"
    assert last["detail"] == (
        "lote efetivo (train.batch_size x train.grad_accumulation) era 8 e é 4"
    )
