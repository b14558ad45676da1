"""The validation before the first step, taken from an earlier run: nothing but the time differs."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from farense_worker.loop.first_validation import Baseline
from farense_worker.process import kept
from farense_worker.process.kept import Place
from farense_worker.protocol.messages.events import Sample, Validation
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.record.tail import Tail
from tests import real_runs
from tests.real_runs import RunMaker

PROMPTS: dict[str, Any] = {
    "report__prompts": ("Quem é o número 0?", "Onde?"),
    "report__sample_tokens": 8,
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FARENSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "baseline"


def first(run: RunFolder) -> Validation:
    """Train it; its validation at step 0."""
    return real_runs.finish(run).validations[0]


def samples(run: RunFolder) -> list[Sample]:
    return [event for event in Tail(run.events).read_all() if isinstance(event, Sample)]


def test_the_second_run_computes_it_no_more_and_gives_the_same(
    cache: Path, make_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = (make_run(name, **PROMPTS) for name in ("one", "two", "three"))
    made, found = first(one), first(two)
    monkeypatch.setenv("FARENSE_CACHE", "off")
    alone = first(three)
    assert (made.cached, found.cached, alone.cached) == (False, True, False)
    assert found.seconds == made.seconds > 0
    assert found.tokens == made.tokens
    assert real_runs.results(one) == real_runs.results(two) == real_runs.results(three)
    told = [[(each.step, each.prompt, each.text) for each in samples(run)] for run in (one, two)]
    assert told[0] == told[1]
    assert [step for step, _, _ in told[1]].count(0) == 2
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"lora__rank": 8, "lora__scale": 4.0, "train__seed": 7, "train__epochs": 1},
        {"train__learning_rate": 1e-3, "lora__keys": ("q_proj",)},
    ],
)
def test_what_does_not_touch_the_model_as_it_came_finds_it(
    change: dict[str, Any], cache: Path, make_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    first(make_run("one", **PROMPTS))
    found = first(make_run("two", **PROMPTS, **change))
    monkeypatch.setenv("FARENSE_CACHE", "off")
    alone = first(make_run("three", **PROMPTS, **change))
    assert found.cached
    assert found.loss == alone.loss


@pytest.mark.parametrize(
    "change",
    [
        {"train__max_seq_length": 48},
        {"train__mask_prompt": False},
        {"train__batch_size": 2},
        {"model__dtype": "float16"},
        {"report__sample_tokens": 4},
        {"report__prompts": ("Quem?",)},
        {"lora__num_layers": 1},  # the layers below are computed once, in other batches
        {"train__fine_tune_type": "dora"},
    ],
)
def test_what_changes_it_computes_it_anew(
    change: dict[str, Any], cache: Path, make_run: RunMaker
) -> None:
    first(make_run("one", **PROMPTS))
    assert not first(make_run("two", **PROMPTS | change)).cached
    assert len(list(cache.iterdir())) == 2


def test_other_weights_or_rows_or_an_adapter_to_start_from(
    cache: Path, make_run: RunMaker, tmp_path: Path
) -> None:
    one = make_run("one")
    first(one)
    model = tmp_path / "other"
    shutil.copytree(make_run.model, model)
    assert not first(make_run("two", model__repo=str(model))).cached
    rows = tmp_path / "rows"
    shutil.copytree(make_run.data, rows)
    assert first(make_run("three", data__path=str(rows))).cached
    lines = (rows / "valid.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (rows / "valid.jsonl").write_text("".join(lines[1:]), encoding="utf-8")
    assert not first(make_run("four", data__path=str(rows))).cached
    kept = len(list(cache.iterdir()))
    assert not first(make_run("five", model__adapter=str(one.adapters))).cached
    assert len(list(cache.iterdir())) == kept == 3


def test_another_system_prompt_gives_other_answers(
    cache: Path, make_run: RunMaker, tmp_path: Path
) -> None:
    first(make_run("one", **PROMPTS))
    rows = tmp_path / "rows"
    shutil.copytree(make_run.data, rows)
    lines = (rows / "train.jsonl").read_text(encoding="utf-8").splitlines()
    system = {"role": "system", "content": "Responde em verso."}
    chats = [[system, *json.loads(line)["messages"]] for line in lines]
    text = "".join(json.dumps({"messages": chat}) + "\n" for chat in chats)
    (rows / "train.jsonl").write_text(text, encoding="utf-8")
    assert not first(make_run("two", data__path=str(rows), **PROMPTS)).cached


def test_a_damaged_one_is_made_anew(cache: Path, make_run: RunMaker) -> None:
    made = first(make_run("one"))
    (entry,) = cache.iterdir()
    entry.write_bytes(entry.read_bytes()[:-5])
    again = first(make_run("two"))
    assert not again.cached
    assert again.loss == made.loss
    assert first(make_run("three")).cached


def test_nothing_is_kept_where_the_folder_cannot_be_written(
    make_run: RunMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "baseline").write_text("a file")
    monkeypatch.setenv("FARENSE_CACHE", str(tmp_path / "cache"))
    for name in ("one", "two"):
        assert not first(make_run(name)).cached


def test_two_ranks_compute_it(cache: Path, make_run: RunMaker) -> None:
    for name in ("one", "two"):
        assert not first(make_run(name, ranks=2)).cached
    assert not cache.exists()


def test_those_not_used_for_longest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_ENTRIES", 2)
    found = Baseline(loss=1.25, tokens=3, seconds=0.5, answers=("sim",))
    own = tmp_path / "own.json"
    own.write_text("somebody's")
    os.utime(own, (0, 0))
    places = [Place(tmp_path / f"{name * 64}.json", Baseline) for name in "abc"]
    for at, place in enumerate(places[:2]):
        place.write(found)
        os.utime(place.path, (at, at))
    assert places[0].read() == found  # used now
    places[2].write(found)
    assert [place.read() is not None for place in places] == [True, False, True]
    assert own.exists()
