"""Rows as ten public data sets and five services document them go in with one command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from farense_worker.protocol import dataset

from farense_tui.cli import main
from tests.dataset import files

CALL = {"name": "golos", "arguments": '{"ano": 1990}'}
PUBLIC: dict[str, tuple[dict[str, Any], list[str]]] = {
    "tatsu-lab/alpaca": (
        {"instruction": "Translate.", "input": "Olá", "output": "Hello", "text": "Below is ..."},
        ["Translate.\n\nOlá", "Hello"],
    ),
    "databricks/databricks-dolly-15k": (
        {"instruction": "Who?", "context": "He did.", "response": "He.", "category": "closed_qa"},
        ["Who?\n\nHe did.", "He."],
    ),
    "modelscope/ms-swift": (
        {"system": "s", "query": "c?", "response": "d.", "history": [["a?", "b."]]},
        ["s", "a?", "b.", "c?", "d."],
    ),
    "openai/gsm8k": ({"question": "1+1?", "answer": "#### 2"}, ["1+1?", "#### 2"]),
    "rajpurkar/squad": (
        {
            "id": "1",
            "title": "Faro",
            "context": "Faro is in the Algarve.",
            "question": "Where is Faro?",
            "answers": {"text": ["in the Algarve", "the Algarve"], "answer_start": [8, 11]},
        },
        ["Where is Faro?\n\nFaro is in the Algarve.", "in the Algarve"],
    ),
    "Open-Orca/OpenOrca": (
        {"id": "niv.1", "system_prompt": "Be brief.", "question": "a?", "response": "b."},
        ["Be brief.", "a?", "b."],
    ),
    "HuggingFaceH4/ultrachat_200k": (
        {
            "prompt": "a?",
            "prompt_id": "0a",
            "messages": [
                {"role": "user", "content": "a?"},
                {"role": "assistant", "content": "b."},
            ],
        },
        ["a?", "b."],
    ),
    "anon8231489123/ShareGPT_Vicuna_unfiltered": (
        {
            "id": "QWJhYvA_0",
            "conversations": [{"from": "human", "value": "a?"}, {"from": "gpt", "value": "b."}],
        },
        ["a?", "b."],
    ),
    "mlabonne/FineTome-100k": (
        {
            "conversations": [
                {"from": "system", "value": "s"},
                {"from": "human", "value": "a?"},
                {"from": "gpt", "value": "b."},
            ],
            "source": "infini-instruct",
            "score": 5.2,
        },
        ["s", "a?", "b."],
    ),
    "HuggingFaceH4/ultrafeedback_binarized": (
        {
            "prompt": "a?",
            "chosen": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "b."}],
            "rejected": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "c"}],
            "score_chosen": 8.0,
        },
        ["a?", "b."],
    ),
    "roneneldan/TinyStories": ({"text": "Once upon a time."}, ["Once upon a time."]),
    "trl: prompt-completion": (
        {
            "prompt": [{"role": "user", "content": "a?"}],
            "completion": [{"role": "assistant", "content": "b."}],
        },
        ["a?", "b."],
    ),
    "OpenAI: preferences": (
        {
            "input": {"messages": [{"role": "user", "content": "a?"}], "tools": []},
            "preferred_output": [{"role": "assistant", "content": "b."}],
            "non_preferred_output": [{"role": "assistant", "content": "c"}],
        },
        ["a?", "b."],
    ),
    "Gemini": (
        {
            "systemInstruction": {"role": "system", "parts": [{"text": "s"}]},
            "contents": [
                {"role": "user", "parts": [{"text": "a"}, {"text": "?"}]},
                {"role": "model", "parts": [{"text": "b."}]},
            ],
        },
        ["s", "a?", "b."],
    ),
    "Anthropic on Bedrock": (
        {
            "system": "s",
            "messages": [
                {"role": "user", "content": "a?"},
                {"role": "assistant", "content": "b."},
            ],
        },
        ["s", "a?", "b."],
    ),
    "Mistral, Together: completions": ({"prompt": "a?", "completion": "b."}, ["a?", "b."]),
    "em português": (
        {"N.º": 3, "Pergunta": "Quem?", "Resposta": "Ele.", "Fonte": "W"},
        ["Quem?", "Ele."],
    ),
}


@pytest.mark.parametrize("name", PUBLIC)
def test_one_command_makes_rows_of_it(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row, said = PUBLIC[name]
    source = files.jsonl(tmp_path / "rows.jsonl", row)
    assert main(["data", "make", str(source), "--to", str(tmp_path / "d")]) == 0
    assert files.said(tmp_path / "d") == [said]
    assert dataset.summarise(tmp_path / "d").why == ""
    told = capsys.readouterr().out
    assert "JSONL" in told
    assert f"⟦{said[-1]}⟧" in told


def test_calls_of_functions_stand_where_templates_look(tmp_path: Path) -> None:
    tools = [{"name": "golos", "parameters": {"type": "object", "properties": {}}}]
    old = {
        "messages": [
            {"role": "user", "content": "a?"},
            {"role": "assistant", "content": None, "function_call": CALL},
            {"role": "function", "name": "golos", "content": "3"},
            {"role": "assistant", "content": "3."},
        ],
        "functions": tools,
    }
    gemini = {
        "contents": [
            {"role": "user", "parts": [{"text": "a?"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "golos", "args": {}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "golos", "response": 3}}]},
            {"role": "model", "parts": [{"text": "3"}]},
        ]
    }
    share = {
        "conversations": [
            {"from": "human", "value": "a?"},
            {"from": "function_call", "value": '{"name": "golos", "arguments": {}}'},
            {"from": "observation", "value": "3"},
            {"from": "gpt", "value": "3.."},
        ]
    }
    for at, row in enumerate((old, gemini, share)):
        source = files.jsonl(tmp_path / f"{at}.jsonl", row)
        assert main(["data", "make", str(source), "--to", str(tmp_path / f"{at}")]) == 0
        (made,) = files.rows(tmp_path / f"{at}")
        roles = [message["role"] for message in made["messages"]]
        assert roles == ["user", "assistant", "tool", "assistant"]
        assert made["messages"][1]["tool_calls"][0]["function"]["name"] == "golos"
        assert dataset.summarise(tmp_path / f"{at}").faults == ()
    assert files.rows(tmp_path / "0")[0]["tools"][0]["function"] == tools[0]


def test_answers_that_are_labelled_as_bad_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"messages": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "b"}]}
    pairs = [{"prompt": f"{n}?", "completion": "b", "label": n % 2 == 0} for n in range(4)]
    chats = [{**said, "label": True}, {**said, "label": False}]
    alpaca = [{"instruction": "a?", "output": "b", "kto_tag": good} for good in (False, True)]
    told: list[list[dict[str, Any]]] = [pairs, chats, alpaca]
    for at, rows in enumerate(told):
        source = files.jsonl(tmp_path / f"{at}.jsonl", *rows)
        assert main(["data", "make", str(source), "--to", str(tmp_path / f"{at}")]) == 0
        assert f"label {len(rows) // 2}:" in capsys.readouterr().out
    head, cells = ["prompt", "completion", "label"], [["a?", "b", "True"], ["c?", "d", "False"]]
    source = files.table(tmp_path / "t.csv", head, *cells)
    assert main(["data", "make", str(source), "--to", str(tmp_path / "t")]) == 0
    assert files.said(tmp_path / "t") == [["a?", "b"]]
    assert files.said(tmp_path / "0") == [["0?", "b"], ["2?", "b"]]
    assert files.said(tmp_path / "1") == files.said(tmp_path / "2") == [["a?", "b"]]


@pytest.mark.parametrize("labels", [[1, 0], [1.0, 0.0], [1, -1], ["good", "bad"], ["1", "0.0"]])
@pytest.mark.parametrize("column", ["label", "Avaliação"])
def test_labels_may_be_numbers_and_words(
    labels: list[Any], column: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"question": f"{n}?", "answer": "b", column: labels[n % 2]} for n in range(4)]
    source = files.jsonl(tmp_path / "a.jsonl", *rows)
    assert main(["data", "make", str(source), "--to", str(tmp_path / "club")]) == 0
    assert f"{column} says which answers are good" in capsys.readouterr().out
    assert files.said(tmp_path / "club") == [["0?", "b"], ["2?", "b"]]


def test_a_label_of_several_classes_is_no_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"prompt": f"{n}?", "completion": "b", "label": n % 3} for n in range(6)]
    source = files.jsonl(tmp_path / "a.jsonl", *rows)
    assert main(["data", "make", str(source), "--to", str(tmp_path / "club")]) == 0
    assert "not trained on: label" in capsys.readouterr().out
    assert len(files.rows(tmp_path / "club")) == 6
    late = [{"prompt": f"{n}?", "completion": "b", "label": 1} for n in range(30)]
    source = files.jsonl(tmp_path / "b.jsonl", *late, {**late[0], "label": 7})
    assert main(["data", "make", str(source), "--to", str(tmp_path / "late")]) == 0
    assert "neither good nor bad: 7" in capsys.readouterr().out


@pytest.mark.parametrize("mark", [{"train": False}, {"loss": False}, {"mask": True}])
@pytest.mark.parametrize(
    "keys", [("messages", "role", "content"), ("conversations", "from", "value")]
)
def test_answers_that_are_marked_as_no_labels_get_the_weight_0(
    mark: dict[str, bool], keys: tuple[str, str, str], tmp_path: Path
) -> None:
    """Axolotl's and ms-swift's marks; their good answers say the contrary."""
    column, who, what = keys
    good = {key: not no for key, no in mark.items()}
    turns = [("user", {}), ("assistant", mark), ("user", mark), ("assistant", good)]
    row = {column: [{who: role, what: "a", **marks} for role, marks in turns]}
    source = files.jsonl(tmp_path / "a.jsonl", row)
    assert main(["data", "make", str(source), "--to", str(tmp_path / "club")]) == 0
    (made,) = files.rows(tmp_path / "club")
    assert [message.get("weight") for message in made["messages"]] == [None, 0, None, None]
    assert not {*mark} & {key for message in made["messages"] for key in message}


def test_the_chosen_answer_follows_what_was_asked_however_that_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """LLaMA-Factory's two shapes: their conversations end with a question."""
    asked, better, worse = "a?", {"from": "gpt", "value": "b."}, {"from": "gpt", "value": "c"}
    share = {
        "conversations": [{"from": "human", "value": asked}],
        "chosen": better,
        "rejected": worse,
    }
    parts = {
        f"{name}_messages": [
            {"role": role, "content": [{"type": "text", "value": said}], "loss_weight": weight}
            for role, said, weight in (("user", asked, 0.0), ("assistant", answer, 1.0))
        ]
        for name, answer in (("chosen", "b."), ("rejected", "c"))
    }
    text = {"messages": [{"role": "user", "content": asked}], "chosen": "b.", "rejected": "c"}
    plain = {"question": asked, "chosen": "b.", "rejected": "c"}
    source = files.jsonl(tmp_path / "plain.jsonl", plain)
    assert main(["data", "make", str(source), "--to", str(tmp_path / "plain")]) == 0
    assert "not trained on" not in capsys.readouterr().out
    for at, row in enumerate((share, parts, text)):
        source = files.jsonl(tmp_path / f"{at}.jsonl", row)
        assert main(["data", "make", str(source), "--to", str(tmp_path / f"{at}")]) == 0
        (made,) = files.rows(tmp_path / f"{at}")
        assert [each["role"] for each in made["messages"]] == ["user", "assistant"]
        assert dataset.summarise(tmp_path / f"{at}").why == ""
    assert files.said(tmp_path / "0") == files.said(tmp_path / "2") == [["a?", "b."]]
    assert files.rows(tmp_path / "1")[0]["messages"][1]["content"][0]["text"] == "b."


def test_what_has_no_answer_or_shows_a_picture_is_no_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    user = {"role": "user", "content": "<image>What is it?"}
    silent = {"messages": [user]}
    seen = {"messages": [user, {"role": "assistant", "content": "A boat."}], "images": ["1.jpg"]}
    for row, why in ((silent, "no answer in it"), (seen, "it is about its images")):
        source = files.jsonl(tmp_path / "rows.jsonl", row)
        assert main(["data", "make", str(source), "--to", str(tmp_path / "d")]) == 3
        assert why in capsys.readouterr().err
        assert not (tmp_path / "d").exists()


def test_rows_inside_others_are_found_with_what_stands_beside_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SQuAD's own file, and the seed tasks of Alpaca."""
    question = {"id": "1", "answers": [{"text": "in Faro", "answer_start": 3}]}
    squad = {
        "version": "v2.0",
        "data": [
            {
                "title": "Farense",
                "paragraphs": [
                    {
                        "context": f"Passage {n}.",
                        "qas": [{**question, "question": f"{n}.{m}?"} for m in range(3)],
                    }
                    for n in range(4)
                ],
            }
        ]
        * 2,
    }
    (tmp_path / "squad.json").write_text(json.dumps(squad), encoding="utf-8")
    tasks = {"id": 1, "instruction": "Add.", "instances": [{"input": "1+1", "output": "2"}]}
    source = files.jsonl(tmp_path / "seed.jsonl", tasks)
    to = str(tmp_path / "d")
    assert main(["data", "make", str(tmp_path / "squad.json"), "--to", to, "--valid", "0"]) == 0
    told = capsys.readouterr().out
    assert "each item of paragraphs, qas in each row" in told
    assert "duplicate 12" in told
    assert files.said(tmp_path / "d")[4] == ["1.1?\n\nPassage 1.", "in Faro"]
    assert main(["data", "make", str(source), "--to", str(tmp_path / "s")]) == 0
    assert files.said(tmp_path / "s") == [["Add.\n\n1+1", "2"]]


def test_lists_that_are_no_rows_are_named_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """MT-Bench: two questions in turn, which look like a question and its answer."""
    row = {"question_id": 81, "category": "writing", "turns": ["Write.", "Write it shorter."]}
    source = files.jsonl(tmp_path / "question.jsonl", row)
    making = ["data", "make", str(source), "--to", str(tmp_path / "d")]
    assert main(making) == 3
    assert "turns: a list, whose items are not known as rows" in capsys.readouterr().err
    assert main([*making, "--map", "messages=turns"]) == 0
    assert files.said(tmp_path / "d") == [["Write.", "Write it shorter."]]


BETTER = [{"role": "assistant", "content": "b."}]
OTHERS: dict[str, list[dict[str, Any]]] = {
    "OpenAI: preferences": [{"input": "a?", "preferred_output": BETTER}, {"input": {}}],
    "HuggingFaceH4/ultrafeedback_binarized": [{"prompt": "a?"}, {"prompt": "a?", "chosen": 1}],
    "trl: prompt-completion": [{"prompt": None}, {"prompt": 1, "completion": 2}],
    "Gemini": [{"contents": [{"parts": [1]}]}],
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_row_of_another_shape_than_the_first_is_told(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = files.jsonl(tmp_path / "rows.jsonl", PUBLIC[name][0], *OTHERS[name])
    making = ["data", "make", str(source), "--to", str(tmp_path / "d")]
    assert main(making) == 3
    assert f"{len(OTHERS[name])} of {len(OTHERS[name]) + 1} rows" in capsys.readouterr().err
    assert main([*making, "--skip"]) == 0
    assert files.said(tmp_path / "d") == [PUBLIC[name][1]]


def test_an_answer_that_is_json_stays_as_it_is_written(tmp_path: Path) -> None:
    """Of a list of objects with a text the first one's text alone was trained on."""
    answer = '[{"text": "a"}, {"text": "b"}]'
    source = files.jsonl(tmp_path / "a.jsonl", {"prompt": "Names?", "completion": answer})
    assert main(["data", "make", str(source), "--to", str(tmp_path / "d")]) == 0
    assert files.said(tmp_path / "d") == [["Names?", answer]]


def test_earlier_turns_are_read_or_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table keeps them as text, whose letters were taken for turns."""
    head = ["instruction", "output", "history"]
    good = [["a?", "b", '[["q?", "r"]]'], ["c?", "d", ""]]
    source = files.table(tmp_path / "good.csv", head, *good)
    assert main(["data", "make", str(source), "--to", str(tmp_path / "d")]) == 0
    assert files.said(tmp_path / "d") == [["q?", "r", "a?", "b"], ["c?", "d"]]
    for bad in ("before", '[["q?"]]', '{"q?": "r"}', "3"):
        source = files.table(tmp_path / "bad.csv", head, ["a?", "b", bad])
        assert main(["data", "make", str(source), "--to", str(tmp_path / "e")]) == 3
        assert "a history that is no list" in capsys.readouterr().err


def test_what_is_no_row_among_rows_inside_others_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = {"title": "t", "qas": [{"question": "a?", "answer": "b"}]}
    for qas in ([*whole["qas"], "stray"], None):
        source = files.jsonl(tmp_path / "rows.jsonl", whole, {"title": "u", "qas": qas})
        assert main(["data", "make", str(source), "--to", str(tmp_path / "d")]) == 3
        assert "rows.jsonl:2: an empty question" in capsys.readouterr().err


ASKED, SAID = "a?", "b."


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": ASKED, "input": "", "chosen": SAID, "rejected": "c"},  # LLaMA-Factory
        {"chosen": f"\n\nHuman: {ASKED}\n\nAssistant: {SAID}", "rejected": "c"},  # Anthropic
        {"instruction": ASKED, "input": "<noinput>", "output": SAID},  # self-instruct
        {"conversation": [{"input": ASKED, "output": SAID}]},  # XTuner
        {"instruction": ASKED, "input": "", "accepted": SAID, "rejected": "c"},  # ORPO
        {"question": ASKED, "response_j": SAID, "response_k": "c"},  # pairs of Stack Exchange
        {"prompt": ASKED, "generation": SAID},  # Metharme
        {"conversations": [{"role": "user", "value": ASKED}, {"role": "gpt", "value": SAID}]},
        {"conversations": [{"from": "user", "content": ASKED}, {"from": "gpt", "content": SAID}]},
        {
            "schemaVersion": "bedrock-conversation-2024",
            "messages": [
                {"role": "user", "content": [{"text": ASKED}]},
                {"role": "assistant", "content": [{"text": SAID}]},
            ],
        },
    ],
)
def test_other_programs_rows_become_a_question_and_its_answer(
    row: dict[str, Any], tmp_path: Path
) -> None:
    source = files.jsonl(tmp_path / "a.jsonl", row)
    assert main(["data", "make", str(source), "--to", str(tmp_path / "club")]) == 0
    (values,) = files.rows(tmp_path / "club")
    found = dataset.checked(source, 1, values)
    assert isinstance(found, dataset.Row)
    assert [message["content"] for message in found.conversation()[0]] == [ASKED, SAID]


def test_turns_of_pairs_stay_one_conversation(tmp_path: Path) -> None:
    turns = [{"system": "s", "input": "a?", "output": "b."}, {"input": "c?", "output": "d."}]
    source = files.jsonl(tmp_path / "a.jsonl", {"conversation": turns})
    assert main(["data", "make", str(source), "--to", str(tmp_path / "club")]) == 0
    assert files.said(tmp_path / "club") == [["s", "a?", "b.", "c?", "d."]]


def test_thoughts_in_parts_go_where_templates_look_for_them(tmp_path: Path) -> None:
    """LLaMA-Factory's: what the template makes of them, `data check` tells."""
    call = {"type": "tool_call", "value": '{"name": "f", "arguments": {"a": 1}}'}
    parts = [{"type": "reasoning", "value": "Ora."}, {"type": "text", "value": "b."}, call]
    row = {"messages": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": parts}]}
    source = files.jsonl(tmp_path / "a.jsonl", row)
    assert main(["data", "make", str(source), "--to", str(tmp_path / "club")]) == 0
    (made,) = files.rows(tmp_path / "club")
    assert made["messages"][1]["reasoning_content"] == "Ora."
    assert made["messages"][1]["content"] == [{"type": "text", "text": "b."}]
    assert made["messages"][1]["tool_calls"][0]["function"]["name"] == "f"
    assert dataset.summarise(tmp_path / "club").faults == ()


@pytest.mark.parametrize("nothing", ["", None, " \u200b\ufeff"])
def test_an_answer_of_which_nothing_is_seen_is_empty(nothing: Any, tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "a?"}, {"role": "assistant", "content": nothing}]
    good = [{"messages": [*chat[:1], {**chat[1], "content": f"b{n}"}]} for n in range(20)]
    source = files.jsonl(tmp_path / "a.jsonl", *good, {"messages": chat})
    assert main(["data", "make", str(source), "--to", str(tmp_path / "club")]) == 0
    left = json.loads((tmp_path / "club" / "left_out.jsonl").read_text())
    assert (left["row"], left["what"]) == (21, "an empty answer")
