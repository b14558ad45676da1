"""Rows whose keys have other names are the same rows wherever they are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from farense_worker.protocol import dataset, system_prompt
from farense_worker.protocol.dataset import Row
from farense_worker.protocol.messages.data_check import Report
from farense_worker.protocol.rows.row_faults import Fault
from farense_worker.protocol.settings.profile import Data, Features

from farense_tui.engine.profiles import import_mlx_lm
from farense_tui.engine.tasks import data_check, evaluation, export
from farense_tui.ui.ask import questions
from tests.real_runs import RunMaker, finish
from tests.tokenizers import chat, write

PAIRS = Features(prompt_feature="pergunta", completion_feature="resposta")
CHATS = Features(chat_feature="conversa")


def rows(path: Path, names: Features, *given: dict[str, Any]) -> list[Row | Fault]:
    return list(dataset.scan(write(path / "train.jsonl", *given), names))


@pytest.mark.parametrize(
    ("names", "given", "kind", "values"),
    [
        (PAIRS, {"pergunta": "a", "resposta": "b"}, "completion", {"prompt": "a"}),
        (Features(completion_feature="b"), {"prompt": "a", "b": "c"}, "completion", {}),
        (CHATS, {"conversa": chat("a", "b")["messages"], "id": 1}, "chat", {"id": 1}),
        (Features(text_feature="prompt"), {"prompt": "a"}, "text", {"text": "a"}),
        # what is not meant is no column, whatever it is called
        (PAIRS, {"prompt": "x", "pergunta": "a", "resposta": "b"}, "completion", {"prompt": "a"}),
        (Features(prompt_feature="completion", completion_feature="prompt"),
         {"prompt": "a", "completion": "b"}, "completion", {"prompt": "b", "completion": "a"}),
    ],
)  # fmt: skip
def test_columns_have_our_names(
    tmp_path: Path, names: Features, given: dict[str, Any], kind: str, values: dict[str, Any]
) -> None:
    (found,) = rows(tmp_path, names, given)
    assert isinstance(found, Row)
    assert found.kind == kind
    assert found.values.items() >= values.items()


def test_a_fault_speaks_of_the_file_and_not_of_us(tmp_path: Path) -> None:
    given: list[dict[str, Any]] = [
        {"question": "a", "answer": "b"},
        {"pergunta": 1, "resposta": "b"},
    ]
    absent, number = rows(tmp_path, PAIRS, *given)
    assert isinstance(absent, Fault)
    assert isinstance(number, Fault)
    assert absent.what.startswith('no "messages", "pergunta" and "resposta", or "text"')
    assert absent.what.endswith("keys: answer, question")
    assert number.what == '"pergunta" and "resposta" must be strings'


def test_a_configuration_of_mlx_lm_names_them(tmp_path: Path) -> None:
    path = tmp_path / "lora.yaml"
    path.write_text("train: true\nprompt_feature: pergunta\nchat_feature: conversa\n")
    made = import_mlx_lm.read(path)
    assert made.profile.data.features == Features(
        prompt_feature="pergunta", chat_feature="conversa"
    )
    assert not [each for each in made.left_out if "feature" in each.key]


def test_a_run_under_other_names_is_the_run_under_ours(tmp_path: Path, make_run: RunMaker) -> None:
    system = {"role": "system", "content": "Em português."}
    own, other = tmp_path / "own", tmp_path / "other"
    for split, number in (("train", 8), ("valid", 4), ("test", 2)):
        said = [
            [system, *chat(f"n. {i}?", "sim " * (1 + i % 3))["messages"]] for i in range(number)
        ]
        write(own / f"{split}.jsonl", *({"messages": each} for each in said))
        # a column under our name that is not meant
        write(other / f"{split}.jsonl", *({"conversa": each, "messages": []} for each in said))
    how: dict[str, Any] = {"train__epochs": 1, "train__max_seq_length": 128}
    one = make_run("own", data__path=str(own), **how)
    two = make_run("other", data__path=str(other), data__chat_feature="conversa", **how)
    first, second = finish(one), finish(two)
    assert first.validations
    losses = [[each.loss for each in state.validations] for state in (first, second)]
    assert losses[0] == losses[1]

    config = two.read_config()
    assert system_prompt.of_training(config.data) == "Em português."
    assert [each.question for each in questions.read(config.data)] == ["n. 0?", "n. 1?"]
    measured = [evaluation.evaluate(evaluation.request([run], max_tokens=4)) for run in (one, two)]
    assert [score.loss for score in measured[0].scores] == [
        score.loss for score in measured[1].scores
    ]
    assert measured[1].left_out == 0
    assert export.request(two, tmp_path / "out").system == "Em português."
    report = list(data_check.run(data_check.request(config)))[-1]
    assert isinstance(report, Report)
    assert report.trainable
    assert [split.rows for split in report.splits] == [8, 4, 2]


def test_settings_without_them_are_ours() -> None:
    assert Data().features == Features()
    assert json.loads(msgspec.json.encode(Features()))["chat_feature"] == "messages"
