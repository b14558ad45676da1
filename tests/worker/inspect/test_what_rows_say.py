"""What is told of rows that are sound: codes for characters, foreign marks, the same questions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from farense_worker.data import marks, text_faults
from farense_worker.inspect.data_set import Survey
from farense_worker.inspect.questions import Questions
from farense_worker.protocol.dataset import Row

from farense_tui.engine.models.assets import embedded_model
from tests.tokenizers import chat, load, variant, write


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load(embedded_model())


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Jo&atilde;o &amp; Rui", ["escaped"]),
        ("caf\\u00e9", ["escaped"]),
        ("&#39;a&#39;", ["escaped"]),
        ("AT&T; a & b; R&D", []),
        ("I am {{name}}, by {{ author }}.", ["gap"]),
        ("Dear <YOUR NAME>", ["gap"]),
        ("f'{{x}}' {y} <b>", ["gap"]),
        ("{a: {b: 1}} [1] <NAME>", []),
        ("C:\\users", []),
        ("Joa\u0303o", ["apart"]),
        ("João", []),
        ("\u0909\u0924\u094d\u0924\u0930", []),  # its marks have no letters of their own
    ],
)
def test_characters_that_are_written_otherwise(text: str, codes: list[str]) -> None:
    assert [code for code, _what in text_faults.find(text)] == codes


CHATML = "<|im_start|>user\na?<|im_end|>"


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"text": CHATML}, ["<|im_start|>", "<|im_end|>"]),
        ({"text": "<|user|>a?<|assistant|>b<|end|>"}, []),  # the model's own
        ({"text": "### Instruction:\na?\n\n### Response:\nb"}, []),  # its own form
        ({"prompt": "### Instruction:\na?\n\n### Response:\n", "completion": "b"}, "### "),
        ({"prompt": "Human: a?\n\nAssistant:", "completion": "b"}, ["Human:", "Assistant:"]),
        ({"prompt": "a? b", "completion": "c\n\nHuman: d"}, ["Human:"]),
        ({"prompt": "Assistant: a?", "completion": "The Human: b, Assistants: c"}, ["Assistant:"]),
        ({"text": "USER: a? ASSISTANT: b"}, []),
        ({"prompt": "[INST] a? [/INST]", "completion": "b"}, ["[INST]", "[/INST]"]),
        ({"prompt": "What is <s>?", "completion": "<b> and <i>"}, ["<s>"]),
        ({"prompt": "# Title\n### Subtitle", "completion": "b"}, []),
    ],
)
def test_marks_of_other_templates(values: Any, found: Any, tokenizer: Any) -> None:
    row = Row(1, "text" if "text" in values else "completion", values)
    written = marks.foreign(tokenizer, row)
    if isinstance(found, str):
        assert [mark.startswith(found) for mark in written] == [True, True]
    else:
        assert written == found


def test_marks_that_the_own_template_writes_in_letters(micro: Path, tmp_path: Path) -> None:
    """As Llama 2, Zephyr and TinyLlama have none of theirs as tokens."""
    inst = "{% for m in messages %}[INST] {{ m.content }} [/INST]{% endfor %}"
    words = load(variant(micro, tmp_path / "t", inst))
    assert marks.foreign(words, Row(1, "text", {"text": "[INST] a? [/INST] b"})) == []
    row = Row(1, "completion", {"prompt": "[INST] a? [/INST]", "completion": "b"})
    assert marks.foreign(words, row) == ["[INST]", "[/INST]"]


def test_the_same_question_with_another_answer() -> None:
    questions = Questions()
    rows = [("a?", "b"), ("A?  ", "c"), ("d?", "b"), ("a?", " B"), ("a?", "e")]
    for line, (asked, said) in enumerate(rows, 1):
        questions.add(0, Row(line, "completion", {"prompt": asked, "completion": said}))
    questions.add(2, Row(1, "completion", {"prompt": "d?", "completion": "f"}))
    questions.add(2, Row(2, "text", {"text": "d?"}))
    assert list(questions.find()) == [((0, 2), (0, 1)), ((0, 5), (0, 1)), ((2, 1), (0, 3))]


def test_all_of_it_in_a_report(tmp_path: Path, tokenizer: Any) -> None:
    write(
        tmp_path / "train.jsonl",
        chat("a?", "b"),
        chat("a?", "c &amp; d"),
        chat("<|im_start|>e?", "f"),
        chat("g?", "g?"),
        chat("h?", "\u200b"),
    )
    write(tmp_path / "valid.jsonl", chat("h?", "i"))
    survey = Survey(
        tokenizer, max_seq_length=64, mask_prompt=True, examples=0, tell=lambda _d, _t: None
    )
    report = survey.report(tmp_path, model="m", no_tokenizer="", valid_fraction=0.0, seed=0)
    assert {(each.code, Path(each.path).stem, each.line) for each in report.findings} == {
        ("asked_again", "train", 2),
        ("escaped", "train", 2),
        ("template_marks", "train", 3),
        ("echo", "train", 4),
        ("empty_answer", "train", 5),
        ("control", "train", 5),
        ("asked_again", "valid", 1),
    }
    assert report.trainable


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["a", r"um\ndois\n\ntrês"], r"\n"),
        ([r"print('a\n')"], ""),  # a program may write one
        (["print('a\\n')\nprint('b\\n')"], ""),
        ([r"C:\\nova\\noite"], ""),
        (["um\ndois"], ""),
    ],
)
def test_ends_of_lines_that_are_written_as_codes(texts: list[str], told: str) -> None:
    assert text_faults.written_ends(texts) == told
