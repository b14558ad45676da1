"""Reading and tokenising a data set, the split for validation, and a run that uses both."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from farense_worker.data import prepare
from farense_worker.process.output import Output
from farense_worker.protocol.errors import FarenseError

from farense_tui.engine.runs import supervisor
from tests.real_runs import RunMaker, finish, state_of
from tests.tokenizers import chat, load, variant, write
from tests.worker.data.test_token_cache import config


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output(os.open(tmp_path / "events", os.O_CREAT | os.O_WRONLY), tmp_path / "none")


def test_rows_are_cut_off_and_counted(tmp_path: Path, micro: Path, output: Output) -> None:
    write(tmp_path / "train.jsonl", chat("ab", "cdefgh"), chat("a", "b"))
    made = prepare.tokenise(
        config(tmp_path, **{"train.max_seq_length": 8}), micro, load(micro), output
    )
    train = made.splits["train"]
    assert [len(train.example(at)) for at in range(2)] == [8, 6]
    assert train.truncated == 1
    assert list(train.first_label) == [5, 4]
    assert list(train.labels) == [3, 2]
    assert train.tokens.dtype == np.int32
    assert train.bounds.dtype == np.int64


@pytest.mark.parametrize(("most", "told"), [(512, True), (6, False)])
def test_rows_longer_than_the_model_was_made_for(
    tmp_path: Path, micro: Path, output: Output, most: int, told: bool
) -> None:
    write(tmp_path / "train.jsonl", chat("ab", "cdefgh"), chat("a", "b"))
    folder = variant(micro, tmp_path / "model")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"max_position_embeddings": 7}))
    asked = config(tmp_path, **{"train.max_seq_length": most})
    notices = prepare.tokenise(asked, folder, load(folder), output).notices
    said = [notice.message for notice in notices if notice.code == "beyond"]
    assert said == ["1 row is longer than the 7 tokens that the model was made for"] * told


def test_what_was_decoded_wrongly_is_told(tmp_path: Path, micro: Path, output: Output) -> None:
    said = ["JoÃ£o", "[INST] a [/INST]", r"a\nb\nc", "b"]
    write(tmp_path / "train.jsonl", *(chat("Quem?", each) for each in said))
    write(tmp_path / "valid.jsonl", chat("Quem?", "c"))
    made = prepare.tokenise(config(tmp_path), micro, load(micro), output)
    codes = {notice.code for notice in made.notices}
    assert codes == {"mojibake", "template_marks", "escaped"}


def test_rows_that_stand_twice_are_told(tmp_path: Path, micro: Path, output: Output) -> None:
    write(tmp_path / "train.jsonl", chat("a", "b"), chat("A ", "b"), chat("c", "d"))
    write(tmp_path / "valid.jsonl", chat("c", "d"), chat("e", "f"), chat("e", "f"))
    made = prepare.tokenise(config(tmp_path), micro, load(micro), output)
    said = {notice.code: notice.message for notice in made.notices}
    assert said.keys() == {"duplicate", "leak"}
    assert said["duplicate"].endswith(f"(1): {tmp_path / 'train.jsonl'}:2")
    assert said["leak"].endswith(f"(1): {tmp_path / 'valid.jsonl'}:1")


@pytest.mark.parametrize(
    ("train", "valid", "told"),
    [
        ({"text": "abc"}, chat("a", "b"), {"other_kind", "mask_prompt"}),
        (chat("a", "b"), {"text": "abc"}, {"other_kind"}),
        (chat("a", "b"), {"prompt": "a", "completion": "b"}, set()),
    ],
)
def test_a_split_of_another_kind_is_told(
    tmp_path: Path, micro: Path, output: Output, train: Any, valid: Any, told: set[str]
) -> None:
    write(tmp_path / "train.jsonl", train)
    write(tmp_path / "valid.jsonl", valid)
    made = prepare.tokenise(config(tmp_path), micro, load(micro), output)
    assert {notice.code for notice in made.notices} == told


def test_all_faults_of_all_files_in_one_go(tmp_path: Path, micro: Path, output: Output) -> None:
    write(tmp_path / "train.jsonl", chat("a"), chat("a", "b"), "[]")
    write(tmp_path / "valid.jsonl", chat("x" * 40, "b"), b'{"text": "\xff"}')
    with pytest.raises(FarenseError) as caught:
        prepare.tokenise(config(tmp_path), micro, load(micro), output)
    places = [line.split(": ")[0].rpartition("/")[2] for line in caught.value.detail.splitlines()]
    assert places == ["train.jsonl:1", "train.jsonl:3", "valid.jsonl:1", "valid.jsonl:2"]


def test_rows_that_cannot_be_trained_on_are_left_out(
    tmp_path: Path, micro: Path, output: Output
) -> None:
    """One list of what is wrong with rows and of what is wrong with their tokens."""
    asked = {"messages": [{"role": "user", "content": "a"}]}
    good = [chat("n", str(n)) for n in range(18)]
    write(tmp_path / "train.jsonl", chat("x" * 60, "cut"), asked, *good)
    made = prepare.tokenise(config(tmp_path), micro, load(micro), output)
    assert len(made.splits["train"]) == 18
    said = next(notice for notice in made.notices if notice.code == "rows_left_out")
    assert said.message == "2 rows of 20 are left out"
    assert [line.split(":")[1] for line in made.left_out] == ["1", "2"]
    assert said.hint == "\n".join((*made.left_out, "All of them: left_out.txt"))

    write(tmp_path / "train.jsonl", chat("x" * 60, "cut"), {"text": 1}, asked, *good)
    with pytest.raises(FarenseError) as caught:
        prepare.tokenise(config(tmp_path), micro, load(micro), output)
    assert "3 of 21 rows of train.jsonl cannot be trained on" in caught.value.detail
    assert [f"train.jsonl:{n}: " in caught.value.detail for n in (1, 2, 3)] == [True] * 3
    skips = config(tmp_path, **{"data.skip": True, "data.valid_fraction": 0.2})
    made = prepare.tokenise(skips, micro, load(micro), output)
    assert [len(made.splits[name]) for name in ("train", "valid")] == [14, 4]

    write(tmp_path / "train.jsonl", "{", asked, *good)
    with pytest.raises(FarenseError) as caught:
        prepare.tokenise(skips, micro, load(micro), output)
    assert [f"train.jsonl:{n}: " in caught.value.detail for n in (1, 2)] == [True] * 2


def test_a_model_without_a_chat_template(
    tmp_path: Path, micro: Path, output: Output, data: Path
) -> None:
    from farense_worker.data.prepare import tokenise

    from tests.tokenizers import variant

    bare = load(variant(micro, tmp_path / "bare", chat_template=None))
    with pytest.raises(FarenseError, match="the model has no chat template"):
        tokenise(config(data), tmp_path, bare, output)
    write(tmp_path / "t" / "train.jsonl", {"text": "a"}, {"text": "b"})
    made = tokenise(config(tmp_path / "t"), tmp_path, bare, output)
    assert len(made.splits["train"]) == 2
    assert "text rows have no prompt" in made.notices[0].message


def test_a_file_without_rows(tmp_path: Path, micro: Path, output: Output) -> None:
    write(tmp_path / "train.jsonl", chat("a", "b"))
    write(tmp_path / "valid.jsonl", "", "  ")
    made = prepare.tokenise(config(tmp_path), micro, load(micro), output)
    assert set(made.splits) == {"train"}
    write(tmp_path / "train.jsonl", "")
    with pytest.raises(FarenseError) as caught:
        prepare.tokenise(config(tmp_path), micro, load(micro), output)
    assert "there is no row in it" in caught.value.detail


def test_rows_set_aside(tmp_path: Path, micro: Path, output: Output) -> None:
    rows = [chat(f"n. {at % 30}?", "sim" if at < 30 else " SIM ") for at in range(40)]
    write(tmp_path / "train.jsonl", *rows)
    settings = config(tmp_path, **{"data.valid_fraction": 0.2})
    tokenizer = load(micro)
    made = prepare.tokenise(settings, micro, tokenizer, output)
    train, valid = made.splits["train"], made.splits["valid"]
    assert len(train) + len(valid) == 40
    assert 6 <= len(valid) <= 8  # two rows that are the same stay together

    def texts(examples: prepare.Examples) -> list[str]:
        found = [tokenizer.decode(examples.example(at)) for at in range(len(examples))]
        return [text.casefold().replace(" ", "") for text in found]

    assert not set(texts(train)) & set(texts(valid))
    assert [notice.code for notice in made.notices] == ["duplicate", "split"]
    assert f"{len(valid)} of 40 rows of train.jsonl are set aside" in made.notices[1].message
    again = prepare.tokenise(settings, micro, tokenizer, output).splits["valid"]
    other = config(tmp_path, **{"data.valid_fraction": 0.2, "train.seed": 1})
    assert again.digest() == valid.digest()
    assert (
        prepare.tokenise(other, micro, tokenizer, output).splits["valid"].digest() != valid.digest()
    )


def test_a_file_to_validate_on_comes_first(tmp_path: Path, micro: Path, output: Output) -> None:
    write(tmp_path / "train.jsonl", *(chat(str(at), "a") for at in range(10)))
    write(tmp_path / "valid.jsonl", chat("x", "y"))
    made = prepare.tokenise(
        config(tmp_path, **{"data.valid_fraction": 0.5}), micro, load(micro), output
    )
    assert len(made.splits["train"]) == 10
    assert len(made.splits["valid"]) == 1
    assert "data.valid_fraction is not used" in made.notices[0].message


def test_nothing_can_be_set_aside_of_one_text(tmp_path: Path, micro: Path, output: Output) -> None:
    write(tmp_path / "train.jsonl", chat("a", "b"), chat("a", "B"))
    made = prepare.tokenise(
        config(tmp_path, **{"data.valid_fraction": 0.5}), micro, load(micro), output
    )
    assert {name: len(examples) for name, examples in made.splits.items()} == {"train": 2}
    assert made.notices[-1].code == "no_validation"


def test_a_run_with_rows_set_aside(tmp_path: Path, make_run: RunMaker) -> None:
    rows = [chat(f"n. {at}?", "sim " * (1 + at % 4)) for at in range(20)]
    folder = write(tmp_path / "rows" / "train.jsonl", *rows).parent
    settings: dict[str, Any] = {
        "data__path": str(folder),
        "train__epochs": 1,
        "data__valid_fraction": 0.25,
    }
    run = make_run("split", **settings)
    state = finish(run)
    assert state.started is not None
    assert (state.started.train_examples, state.started.valid_examples) == (15, 5)
    assert state.validations

    again = make_run("again", **settings)
    assert finish(again).loss == state.loss
    assert "tokens from" in again.log.read_text()  # the second run has them from the cache


def test_a_resume_keeps_the_share(tmp_path: Path, make_run: RunMaker) -> None:
    rows = [chat(f"n. {at}?", "sim") for at in range(20)]
    folder = write(tmp_path / "rows" / "train.jsonl", *rows).parent
    run = make_run("share", data__path=str(folder), train__epochs=1, data__valid_fraction=0.25)
    finish(run)
    text = run.config.read_text().replace("valid_fraction = 0.25", "valid_fraction = 0.2")
    run.config.write_text(text.replace("epochs = 1", "epochs = 2"))
    assert supervisor.launch(run).wait() == 3
    failure = state_of(run).failure
    assert failure is not None
    assert "data.valid_fraction was 0.25 and is 0.2" in failure.detail
