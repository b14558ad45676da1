"""Templates that write the date: a run keeps the day on which it was made."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from farense_worker.data import dated, prepare
from farense_worker.model import chat_template
from farense_worker.process.output import Output
from farense_worker.protocol.dataset import Row
from farense_worker.tasks.evaluate import evaluate

from farense_tui.engine.tasks import evaluation
from tests.real_runs import RunMaker, finish, state_of
from tests.tokenizers import chat, load, variant, write
from tests.worker.data.test_token_cache import config
from tests.worker.inspect.test_data_set import look

DATED = (
    "{{ strftime_now('%Y') }}{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
ROW = Row(1, "chat", chat("Quem?", "Ele."))


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    yield
    chat_template.DAY.keep(0)


def year_of(made: prepare.Examples, tokenizer: object) -> str:
    return str(tokenizer.decode(list(made.example(0))))[:4]  # type: ignore[attr-defined]


def test_the_day_that_templates_write() -> None:
    assert chat_template.DAY.now().date() == datetime.now().date()
    chat_template.DAY.keep(1e9)
    assert chat_template.DAY.now() == datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)
    with chat_template.DAY.kept(9e8):
        assert chat_template.DAY.now().year == 1998
    assert chat_template.DAY.now().year == 2001


def test_dates_are_told_of(micro: Path, tmp_path: Path) -> None:
    tokenizer = load(variant(micro, tmp_path / "t", DATED))
    assert "the chat template writes the date" in dated.remark(tokenizer, ROW)
    assert dated.remark(load(micro), ROW) == ""
    assert dated.remark(tokenizer, Row(1, "text", {"text": "a"})) == ""
    assert chat_template.writes_the_day(tmp_path / "t")
    assert not chat_template.writes_the_day(micro)
    only_without = DATED.replace("{{ str", "{% if messages[0].role != 'system' %}{{ str", 1)
    only_without = only_without.replace("}}{% for", "}}{% endif %}{% for", 1)
    tokenizer = load(variant(micro, tmp_path / "o", only_without))
    assert dated.remark(tokenizer, ROW)
    system = {"messages": [{"role": "system", "content": "a"}, *chat("b", "c")["messages"]]}
    assert dated.remark(tokenizer, Row(1, "chat", system)) == ""

    write(tmp_path / "d" / "train.jsonl", chat("a", "b"), chat("c", "d"))
    report = look(tmp_path / "d", load(tmp_path / "t"))
    assert [finding.code for finding in report.findings] == ["dated"]


def test_kept_tokens_are_of_a_day(micro: Path, tmp_path: Path) -> None:
    """The rows of a run made today had the date of whoever tokenised them first."""
    model, folder = variant(micro, tmp_path / "t", DATED), tmp_path / "data"
    write(folder / "train.jsonl", chat("Quem?", "Ele."), chat("a", "b"))
    output = Output(os.open(tmp_path / "events", os.O_CREAT | os.O_WRONLY), tmp_path / "none")
    for seconds, year in ((1e9, "2001"), (1.3e9, "2011"), (1e9, "2001")):
        chat_template.DAY.keep(seconds)
        found = prepare.load(config(folder), model, lambda: load(model), output)
        assert year_of(found.train, load(model)) == year


def test_a_run_keeps_its_day(micro: Path, data: Path, tmp_path: Path, make_run: RunMaker) -> None:
    """Without its kept tokens it could not be resumed on another day: its data had changed.

    Evaluated on another day its loss was not that of its validation.
    """
    model = shutil.copytree(micro, tmp_path / "m")
    variant(micro, model, DATED)
    run = make_run("a", model__repo=str(model), train__epochs=1)
    settings = run.config.read_text()
    line = next(line for line in settings.splitlines() if line.startswith("created"))
    run.config.write_text(settings.replace(line, "created = 1e9"))
    finish(run)
    assert any(notice.code == "dated" for notice in state_of(run).notices)
    chat_template.DAY.keep(1e9)
    output = Output(os.open(tmp_path / "events", os.O_CREAT | os.O_WRONLY), tmp_path / "none")
    made = prepare.tokenise(run.read_config(), model, load(model), output)
    assert year_of(made.splits["train"], load(model)) == "2001"
    checkpoint = next(run.path.glob("checkpoint_*"))
    state = json.loads((checkpoint / "state.json").read_text())
    assert state["data"] == made.splits["train"].digest()
    chat_template.DAY.keep(0)
    asked = evaluation.request([run], split="valid", max_tokens=1)
    losses = []
    for moment in (asked.day, 0.0):
        report = evaluate(msgspec.structs.replace(asked, day=moment), lambda _: None)
        losses.append(report.scores[-1].loss)
    best = state_of(run).best
    assert best is not None
    assert losses[0] == pytest.approx(best.loss, rel=1e-5)
    assert losses[1] != pytest.approx(best.loss, rel=1e-5)
    assert chat_template.DAY.now().year != 2001
