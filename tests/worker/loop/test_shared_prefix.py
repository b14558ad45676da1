"""What rows begin with alike, computed once for those of a step: the same curve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.record.state import RunState
from tests import holding, micro_model
from tests.real_runs import RunMaker, finish, results, state_of

SYSTEMS = ["És um adepto do Farense. " * 3, "Responde em verso, com três linhas. " * 2]


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return micro_model.make(tmp_path_factory.mktemp("deep") / "model", layers=4)


@pytest.fixture(scope="module")
def groups(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows with one of two system prompts, a few with none."""
    folder = tmp_path_factory.mktemp("groups")
    for split, count in (("train", 27), ("valid", 12)):
        rows = []
        for i in range(count):
            turns = [("user", f"{i} é quem?"), ("assistant", "É ele. " * (1 + i % 3) + str(i))]
            system = [("system", SYSTEMS[i % 2])] if i % 7 else []
            rows.append({"messages": [{"role": r, "content": c} for r, c in system + turns]})
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{split}.jsonl").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def make(tmp_path: Path, deep: Path, groups: Path) -> Any:
    maker = RunMaker(tmp_path, deep, groups)

    def made(name: str, **settings: Any) -> RunFolder:
        given = {"train__max_seq_length": 160, "train__epochs": 2, "lora__dropout": 0.0}
        return maker(name, **(given | settings))

    return made


def same(one: RunState, other: RunState, apart: float = 1e-5) -> None:
    for here, there in ((one.loss, other.loss), (one.validations, other.validations)):
        assert len(here) == len(there)
    assert [value for _, value in one.loss] == pytest.approx(
        [value for _, value in other.loss], abs=apart
    )
    assert [each.loss for each in one.validations] == pytest.approx(
        [each.loss for each in other.validations], abs=apart
    )


def told(state: RunState) -> list[str]:
    return [notice.message for notice in state.notices if notice.code == "shared_prefix"]


WAYS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "trunk, checkpointed": {
        "lora__num_layers": 2,
        "train__trunk_cache": "on",
        "train__grad_checkpoint": True,
    },
    "trunk, several micro-batches": {
        "lora__num_layers": 2,
        "train__trunk_cache": "on",
        "train__batch_size": 2,
        "train__grad_accumulation": 4,
    },
    "checkpointed, dora, two ranks, several micro-batches": {
        "ranks": 2,
        "train__fine_tune_type": "dora",
        "train__grad_checkpoint": True,
        "train__batch_size": 1,
        "train__grad_accumulation": 8,
    },
    "prompts are labels, several micro-batches": {
        "train__mask_prompt": False,
        "train__batch_size": 2,
        "train__grad_accumulation": 4,
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_the_curve_is_the_same(make: Any, way: str) -> None:
    settings = WAYS[way]
    plain = finish(make("plain", train__shared_prefix="off", **settings))
    shared = finish(make("shared", **settings))
    same(shared, plain)
    assert not told(plain)
    (said,) = told(shared)
    assert "23 of 27 rows begin alike, in 2 groups" in said
    most = 0.95 if "ranks" in settings else 0.75  # two rows of a group on each rank
    assert shared.padded_tokens < most * plain.padded_tokens


def test_killed_and_resumed_equals_uninterrupted(make: Any) -> None:
    settings = {"train__batch_size": 2, "train__grad_accumulation": 4, "checkpoint__every": 2}
    straight, killed = make("straight", **settings), make("killed", **settings)
    (said,) = told(finish(straight))
    assert "less goes through the model" in said
    holding.kill_at(killed, 5)
    finish(killed)
    assert len(state_of(killed).segments) == 2
    assert results(killed) == results(straight)


def test_with_dropout_each_row_is_trained_by_itself(make: Any) -> None:
    state = finish(make("dropout", lora__dropout=0.1, train__epochs=1))
    (said,) = told(state)
    assert "is trained for each" in said
    assert "lora.dropout" in said
    state = finish(make("on", lora__dropout=0.1, train__epochs=1, train__shared_prefix="on"))
    (said,) = told(state)
    assert "less goes through the model" in said
    assert all(loss is not None for _, loss in state.loss)
